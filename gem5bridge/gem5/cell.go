package gem5

import (
	"sync"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/supervisor"
)

// restores is the least number of restores that a cell's samples come from, where
// there are as many samples; perRestore is the most that come from one.
const (
	restores   = 6
	perRestore = 20
)

// cell is one cell of a job on its way. Its fields below mu change.
type cell struct {
	gem5bridge.Cell
	index  int
	key    servicetime.Key
	remote bool // it calls databases or others, which share the client's core or its own

	few int // runs that are enough; 0: as the condition wants

	mu      sync.Mutex
	next    int     // number of the next sample that nobody has taken
	valid   int     // emitted
	stopped bool    // given up
	shares  []share // of instructions, of the samples measured so far
}

// share is how much of a call's instructions ran on the client's core.
type share float64

// group are cells that share runs.
type group struct {
	cells []*cell
	taken func(servicetime.Sample) // instead of emitting it; may be nil

	mu   sync.Mutex
	runs int // planned so far
}

// task is one run: which samples it is to give.
type task struct {
	group   *group
	number  int                // of the run within its group, from 0
	numbers [][]int            // by cell of the group: the samples it gives, in order
	tries   int                // runs that were begun for it
	asked   supervisor.Attempt // of the next run, by the verdicts on those before
}

// size is the number of calls that the run measures.
func (t task) size() int {
	most := 0
	for _, n := range t.numbers {
		most = max(most, len(n))
	}
	return most
}

// task plans the group's next run; false if every sample is planned.
func (g *group) task() (task, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := task{group: g, number: g.runs}
	for _, c := range g.cells {
		t.numbers = append(t.numbers, c.reserve(g.runs))
	}
	if t.size() == 0 {
		return task{}, false
	}
	g.runs++
	return t, true
}

// reserve takes the numbers of the samples that run number run gives.
func (c *cell) reserve(run int) []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	if runs := c.runs(); run < runs && !c.stopped {
		n = (run+1)*c.Count/runs - run*c.Count/runs
	}
	var numbers []int
	for range n {
		numbers = append(numbers, c.next)
		c.next++
	}
	return numbers
}

// runs returns from how many runs the samples come: one each where only a fresh
// machine can give them, else so many that there are enough restores.
func (c *cell) runs() int {
	switch c.Condition.Kind {
	case servicetime.Flush, servicetime.Cold, servicetime.StageCreate, servicetime.StageInit:
		return c.Count
	}
	if c.few > 0 {
		return c.few
	}
	return max(min(c.Count, restores), (c.Count+perRestore-1)/perRestore)
}

// spare takes the number of one more sample, in place of one that does not count.
func (c *cell) spare() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return c.next - 1
}

// odd adds the share of a call to those of the cell and says whether it is more
// than a fifth off their median.
func (c *cell) odd(s share) bool {
	const most = .2
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shares = append(c.shares, s)
	middle := gem5bridge.Median(c.shares)
	return middle > 0 && (s-middle > most*middle || middle-s > most*middle)
}

// counted notes a valid sample and returns how many there are.
func (c *cell) counted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.valid++
	return c.valid
}
