"""How good a model is: metrics, bootstrap intervals, slices, plots, the released model beside."""
