"""Mail: one delivery row per recipient, sent by job.

Promises: a letter is written when it is sent, from facts that its recipient may see; a link in it shows on GET and acts
on POST only; a mail server that is down delays mail and loses none.

A delivery names a letter and the object it is about. ``letters`` holds one function per letter: facts in, words out;
one layout in text and HTML renders them all, so that no letter can forget the plain text, the zone of a time or the
escape of a name. ``recipients`` says who is told of what; ``actions`` is the only writer; ``mail`` alone speaks SMTP.
"""
