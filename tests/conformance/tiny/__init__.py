"""The worked answer: a server that passes, and shares no line with what it is judged by."""
