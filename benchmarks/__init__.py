"""What measuring costs: gradscope beside the same loop without it, `model.fit`, and its peers."""
