"""Does a rule make the model better? Arms of data, models trained on each alike, and what tells them apart."""
