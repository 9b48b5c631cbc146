package cluster

// line is a queue of invocations that may be left from the middle. The zero
// value is empty.
type line struct {
	ring  []int32 // gone where somebody left
	head  int
	count int    // those that left included
	gaps  int    // those that left
	first uint32 // ticket of the head
}

const gone = -1

// len returns the number of those that wait.
func (q *line) len() int { return q.count - q.gaps }

// push adds to the end, and returns the ticket with which to leave.
func (q *line) push(id int32) (ticket uint32) {
	q.grow()
	q.ring[(q.head+q.count)&(len(q.ring)-1)] = id
	q.count++
	return q.first + uint32(q.count) - 1
}

// pushFront adds to the front.
func (q *line) pushFront(id int32) (ticket uint32) {
	q.grow()
	q.head = (q.head - 1) & (len(q.ring) - 1)
	q.ring[q.head] = id
	q.count++
	q.first--
	return q.first
}

func (q *line) grow() {
	if q.count < len(q.ring) {
		return
	}
	ring := make([]int32, max(8, 2*len(q.ring)))
	n := copy(ring, q.ring[q.head:])
	copy(ring[n:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}

// pop takes the one at the front.
func (q *line) pop() (id int32, ok bool) {
	for q.count > 0 {
		id = q.ring[q.head]
		q.head = (q.head + 1) & (len(q.ring) - 1)
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
	q.ring[(q.head+int(ticket-q.first))&(len(q.ring)-1)] = gone
	q.gaps++
}

func (q *line) clear() {
	q.first += uint32(q.count)
	q.head, q.count, q.gaps = 0, 0, 0
}
