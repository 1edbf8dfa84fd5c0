PEERS = {}
def run(o, r): return []
def tables(r): return []
