"""What a word is, in each definition: how texts are divided into words, and where these stand."""
