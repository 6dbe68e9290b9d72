"""What the report of a run shows beside its numbers: samples of documents, histograms, hosts, the page, pictures."""
