"""The bilingual lexicon: built from text, files or a model, judged, edited by hand."""
