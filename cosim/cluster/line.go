package cluster

// line is a queue of invocations that may be left from the middle. The zero
// value is empty.
type line struct {
	count uint32 // those that left included
	gaps  uint32 // those that left
	head  uint32
	first uint32  // ticket of the head
	ring  []int32 // gone where somebody left; a power of two
}

const gone = -1

// len returns the number of those that wait.
func (q *line) len() int { return int(q.count - q.gaps) }

// at returns the place in the ring of the i-th after the head.
func (q *line) at(i uint32) *int32 { return &q.ring[(q.head+i)&uint32(len(q.ring)-1)] }

// push adds to the end, and returns the ticket with which to leave.
func (q *line) push(id int32) (ticket uint32) {
	q.grow()
	*q.at(q.count) = id
	q.count++
	return q.first + q.count - 1
}

// pushFront adds to the front.
func (q *line) pushFront(id int32) (ticket uint32) {
	q.grow()
	q.head--
	*q.at(0) = id
	q.count++
	q.first--
	return q.first
}

func (q *line) grow() {
	if int(q.count) < len(q.ring) {
		return
	}
	ring := make([]int32, max(8, 2*len(q.ring)))
	for i := range q.count {
		ring[i] = *q.at(i)
	}
	q.ring, q.head = ring, 0
}

// pop takes the one at the front.
func (q *line) pop() (id int32, ok bool) {
	for q.count > 0 {
		id = *q.at(0)
		q.head++
		q.count--
		q.first++
		if id != gone {
			return id, true
		}
		q.gaps--
	}
	return 0, false
}

// remove takes out the one with the ticket, which must be in.
func (q *line) remove(ticket uint32) {
	*q.at(ticket - q.first) = gone
	q.gaps++
}

func (q *line) clear() {
	q.first += q.count
	q.head, q.count, q.gaps = 0, 0, 0
}
