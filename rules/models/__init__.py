"""Files that signals measure with: profiles of words, classifiers, language models."""
