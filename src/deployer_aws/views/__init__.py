"""Views show people what a journal holds: a stream's history, its summary, events described, and news as it comes.

They read events and states, change nothing, and return plain values, which the command line prints.
"""
