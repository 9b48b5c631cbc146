package trace

import (
	"errors"
	"fmt"

	"microcosm/loadgen"
)

// maxMistakes is how many are listed before reading stops.
const maxMistakes = 50

// mistakes collects what is wrong, so that one reading tells all.
type mistakes []error

func (l *mistakes) add(m loadgen.FileError) { *l = append(*l, &m) }

// full reports that reading on is of no use to anyone.
func (l *mistakes) full() bool { return len(*l) >= maxMistakes }

func (l *mistakes) join() error {
	if l.full() {
		*l = append((*l)[:maxMistakes], fmt.Errorf("reading stopped after %d mistakes: there may be more", maxMistakes))
	}
	return errors.Join(*l...)
}
