"""Pure decisions about money that goes back: who loses what, what happens next, who is asked, what is still owed."""
