"""People in the loop: questions and answers as journalled events, and the ways that answers come in.

`asking` conducts it, `questions` are its words, `mailbox` and `keyboard` the ways, `wording` is what a person reads
and types.
"""
