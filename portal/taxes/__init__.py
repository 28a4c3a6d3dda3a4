"""Who an organisation is for tax, and how its supplies are taxed.

Promises: what an organisation says of itself is kept as facts, the latest counts; rates and forms are data with date
and source, never code; the treatment of a supply is one pure function of both companies and a day; a company's details
are read by those it settles with and by nobody else.

A taxpayer's number is sealed and nobody reads it back but by the file that a year's forms are filed with: two people of
its payer's finance, within a day, each taking written down.

``rules`` decide, ``figures`` holds the data files, ``tables`` reads them once. Settlement asks what tax is due on a
share and prints what is said here on the documents it makes.
"""
