package des

// front is a priority queue that mostly holds one key or two: the first lies in front of
// a heap of the others. The zero value is empty.
type front struct {
	occupied bool
	first    key
	others   heap
}

func (f *front) push(k key) {
	if !f.occupied {
		f.occupied, f.first = true, k
		return
	}
	if before(&k, &f.first) == 1 {
		k, f.first = f.first, k
	}
	f.others.push(k)
}

// pop removes the first key; the front must be occupied.
func (f *front) pop() {
	if f.others.empty() {
		f.occupied = false
	} else {
		f.first = f.others.pop()
	}
}

// clear removes all keys.
func (f *front) clear() { f.occupied, f.others = false, f.others[:0] }

// heap is a 4-ary heap, half the depth of a binary one, of keys of 16 bytes. Its root
// has index 3, so that the four children of a node fill one cache line; the zero value
// is empty.
type heap []key

const root = 3

// key orders an event: by its instant, then by when it was scheduled.
type key struct {
	at  Time
	tie uint64 // sequence number above, slot in the low slotBits
}

const slotBits = 24

func (k *key) slot() uint32 { return uint32(k.tie % (1 << slotBits)) }

func (h heap) empty() bool { return len(h) <= root }
func (h heap) len() int    { return max(0, len(h)-root) }

func (h *heap) push(k key) {
	if len(*h) < root {
		*h = append(*h, make(heap, root-len(*h))...)
	}
	*h = append(*h, k)
	h.rise(len(*h)-1, k)
}

// pop removes the first key; the heap must not be empty.
func (h *heap) pop() key {
	old := *h
	first, last := old[root], len(old)-1
	*h = old[:last]
	if last > root {
		h.sink(old[last])
	}
	return first
}

// rise puts k into the hole at i or, where k belongs higher, above it.
func (h heap) rise(i int, k key) {
	for i > root {
		parent := i/4 + 2
		if before(&h[parent], &k) == 1 {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = k
}

// sink puts k into the heap whose root is a hole. The hole sinks to the bottom first,
// since a key from there rarely belongs much higher (Wegener, Theoretical Computer
// Science 118 (1993) 81-98).
func (h heap) sink(k key) {
	i := root
	for {
		child := h.least(i)
		if child < 0 {
			break
		}
		h[i] = h[child]
		i = child
	}
	h.rise(i, k)
}

// replace puts k in the place of the first key. It is for keys that belong near the top.
func (h heap) replace(k key) {
	i := root
	for {
		child := h.least(i)
		if child < 0 || before(&k, &h[child]) == 1 {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = k
}

// least returns which of the children of i comes first; -1 where there are none. It is
// computed rather than branched on, since no processor foresees it.
func (h heap) least(i int) int {
	first := 4*i - 8
	if first+4 > len(h) {
		return h.leastOfFew(first)
	}
	c := h[first : first+4 : first+4]
	a := before(&c[1], &c[0])
	b := 2 + before(&c[3], &c[2])
	return first + a + (b-a)*before(&c[b&3], &c[a&3])
}

// leastOfFew is least at the end of the heap.
func (h heap) leastOfFew(first int) int {
	if first >= len(h) {
		return -1
	}
	least := first
	for c := first + 1; c < len(h); c++ {
		least += (c - least) * before(&h[c], &h[least])
	}
	return least
}

// before returns 1 where x happens before y, else 0.
func before(x, y *key) int {
	first := 0
	if x.at < y.at {
		first = 1
	}
	if x.at == y.at && x.tie < y.tie {
		first = 1
	}
	return first
}
