package cluster

// ranking knows the first of all nodes in the order of a NodeOrder: a tournament, of
// which a node that has changed plays its games again. Nodes that take no sandbox at
// all come last.
type ranking struct {
	order   NodeOrder
	nodes   []*Node
	winners []int32 // of the game k, between those of 2k and 2k+1; -1: nobody
}

func newRanking(order NodeOrder, nodes []*Node) *ranking {
	leaves := 1
	for leaves < len(nodes) {
		leaves *= 2
	}
	r := &ranking{order: order, nodes: nodes, winners: make([]int32, 2*leaves)}
	for i := range r.winners {
		r.winners[i] = -1
	}
	for i := range nodes {
		r.winners[leaves+i] = int32(i)
	}
	for k := leaves - 1; k > 0; k-- {
		r.winners[k] = r.play(k)
	}
	return r
}

// first returns the node that comes first, and false where none takes a sandbox.
func (r *ranking) first() (*Node, bool) {
	n := r.nodes[r.winners[1]]
	return n, n.open()
}

// changed has the node found its new rank.
func (r *ranking) changed(n *Node) {
	for k := (len(r.winners)/2 + n.Index()) / 2; k > 0; k /= 2 {
		before := r.winners[k]
		r.winners[k] = r.play(k)
		if r.winners[k] == before && before != n.index {
			return
		}
	}
}

func (r *ranking) play(k int) int32 {
	a, b := r.winners[2*k], r.winners[2*k+1]
	if b < 0 {
		return a
	}
	x, y := r.nodes[a], r.nodes[b]
	if y.open() && (!x.open() || r.order.Before(y, x)) {
		return b
	}
	return a
}
