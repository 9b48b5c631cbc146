package gem5

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
)

// nullCalls is how many null calls are measured, half of them in either boot.
const nullCalls = 12

// calibrate returns the null call of the platform: as it was measured before on
// the same platform, stack and program, or measured now.
func (s *session) calibrate(ctx context.Context, b *Backend) (nullCall, error) {
	asked := gem5bridge.Cell{
		Function: servicetime.NullFunction, Input: functions.DefaultClass, Condition: servicetime.Condition{Kind: servicetime.Warm}, Count: nullCalls,
	}
	c, err := b.cell(s.plan, gem5bridge.WholeJob, asked)
	if err != nil {
		return nullCall{}, err
	}
	path := filepath.Join(filepath.Dir(s.folder), fmt.Sprintf("null-%.16s-%.16s-%d.json", c.key.Digest(), s.program.Digest, s.job.Seed))
	if known, ok := readNull(path); ok {
		return known, nil
	}
	null, err := s.measureNull(ctx, c)
	if err != nil {
		return nullCall{}, fmt.Errorf("calibrate the null call: %w", err)
	}
	text, err := json.Marshal(null)
	if err != nil {
		return nullCall{}, err
	}
	return null, renameio.WriteFile(path, append(text, '\n'), 0o644)
}

func readNull(path string) (nullCall, bool) {
	var null nullCall
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &null) != nil {
		return nullCall{}, false
	}
	return null, null.RoundTrip > 0 && null.Busy > 0 && null.Client > 0
}

// measureNull measures null calls, from which nothing is subtracted.
func (s *session) measureNull(ctx context.Context, c *cell) (nullCall, error) {
	var mu sync.Mutex
	var trips, busy, client []servicetime.Ticks
	deadline := s.job.Deadline
	s.job.Deadline = 0 // the job's is meant for its functions
	defer func() { s.job.Deadline = deadline }()
	g := &group{cells: []*cell{c}, taken: func(sample servicetime.Sample) {
		if sample.Status != servicetime.Valid {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		trips = append(trips, sample.RoundTrip)
		busy = append(busy, sample.Busy)
		client = append(client, servicetime.Ticks(sample.Counters[CounterClientBusy]))
		_ = s.emit(gem5bridge.Event{Progress: &gem5bridge.Progress{
			Cell: gem5bridge.WholeJob, Done: len(trips), Of: nullCalls, Phase: "calibrate",
		}}) // a reader that is gone ends the job by ctx
	}}
	c.few = boots
	err := s.work(ctx, []*group{g})
	if err = errors.Join(append(s.given, err)...); err != nil {
		s.given = nil
		return nullCall{}, err
	}
	return nullCall{RoundTrip: gem5bridge.Median(trips), Busy: gem5bridge.Median(busy), Client: gem5bridge.Median(client)}, nil
}
