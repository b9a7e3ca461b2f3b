"""The protocol as an executable contract: point it at any server, in any language.

Knows servers by URL alone and imports nothing of the product it was written beside.
"""
