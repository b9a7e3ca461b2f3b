"""The figures of a run, each in a module; every one draws what there is, or says that it has nothing."""
