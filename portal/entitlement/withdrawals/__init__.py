"""What was taken back: hours whose price goes back or is held by a bank, and questions that payers were asked anew."""
