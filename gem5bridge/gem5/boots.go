package gem5

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/gem5/checkpoint"
	"microcosm/gem5bridge/gem5/config"
	"microcosm/gem5bridge/gem5/events"
	"microcosm/gem5bridge/supervisor"
	guest "microcosm/images/guest/job"
)

// boots is how many independent boots samples come from.
const boots = 2

// prepared is how often each function is called before the warm checkpoint: its
// pages are there, its heap has grown and its garbage collector has run.
const prepared = 20

// bootKey names the checkpoint of a boot: whatever a functional run knows.
func (r *runs) bootKey(boot int) checkpoint.Key {
	return checkpoint.Key{Kind: "boot", Parts: map[string]string{
		"isa":    r.platform.ISA.String(),
		"kernel": r.image.manifest.Kernel.ELF.Digest,
		"disk":   r.image.manifest.Disk.Digest,
		"line":   r.commandLine(boot), // with it the clock and the number of the boot
		"memory": strconv.FormatInt(r.platform.MemoryBytes(), 10),
		"cores":  "2",
		"gem5":   r.program.Digest,
		"config": config.Digest(),
	}}
}

// boot returns the checkpoint of a boot.
func (r *runs) boot(ctx context.Context, boot int) (checkpoint.Checkpoint, error) {
	return r.checkpoint.Get(ctx, r.bootKey(boot), func(path string) error {
		return r.makeCheckpoint(ctx, path, request{
			what: fmt.Sprintf("boot %d of %s", boot, r.platform.ISA), phase: modeBoot,
			spec: spec{Mode: modeBoot, CommandLine: r.commandLine(boot)},
		})
	})
}

// target is a function with an input class, as checkpoints are named by it.
func name(t guest.Target) string { return t.Function + "/" + t.Input }

// warm returns the checkpoint in which the targets serve and are warm.
func (r *runs) warm(ctx context.Context, boot int, targets []guest.Target) (checkpoint.Checkpoint, error) {
	key := r.bootKey(boot)
	key.Kind = "warm"
	var names []string
	for _, t := range targets {
		names = append(names, name(t))
	}
	key.Parts["targets"], key.Parts["calls"] = strings.Join(names, " "), strconv.Itoa(prepared)
	return r.checkpoint.Get(ctx, key, func(path string) error {
		from, err := r.boot(ctx, boot)
		if err != nil {
			return err
		}
		defer from.Release()
		j := guest.Job{Format: guest.Format, ID: "prepare", Seed: uint64(boot), Then: guest.Checkpoint}
		for _, t := range targets {
			j.Steps = append(j.Steps, guest.Step{Mode: guest.Warm, Function: t.Function, Input: t.Input, Warmup: prepared})
		}
		return r.makeCheckpoint(ctx, path, request{
			what: "prepare " + strings.Join(names, " "), phase: "warm-up", job: &j,
			spec: spec{Mode: modePrepare, Restore: from.Dir, CommandLine: r.commandLine(boot)},
		})
	})
}

// targets returns what must be in the warm checkpoint of the cells of a group, in
// an order of its own: the function, and what interleaves where it may. All
// conditions of a function that is of the mix start from one checkpoint, so that
// they differ in nothing else.
func (g *group) targets(mix []string) []guest.Target {
	lead := g.cells[0]
	all := []guest.Target{{Function: lead.Function, Input: lead.Input}}
	if lead.Condition.Kind != servicetime.Lukewarm && !slices.Contains(mix, lead.Function) {
		return all
	}
	for _, other := range mix {
		if other != lead.Function {
			all = append(all, guest.Target{Function: other, Input: functions.DefaultClass})
		}
	}
	slices.SortFunc(all, func(a, b guest.Target) int { return strings.Compare(name(a), name(b)) })
	return all
}

// attempts is how often a run is tried that gives a checkpoint, or whose samples
// do not come.
const attempts = 3

// makeCheckpoint does a run that ends with a checkpoint and moves it to path.
func (r *runs) makeCheckpoint(ctx context.Context, path string, q request) error {
	policy := supervisor.Policy{Attempts: attempts}
	var failure error
	q.collect = func(got result) {
		failure = failed(got.records)
		if failure == nil && got.damage == nil && got.events.End.Cause != events.CauseCheckpoint {
			failure = fmt.Errorf("it ended with %q before the checkpoint", got.events.End.Cause)
		}
		if failure == nil && got.damage == nil {
			failure = os.Rename(filepath.Join(got.folder, checkpointName), path)
		}
	}
	err := r.supervisor.Retry(ctx, q.what, policy, func(ctx context.Context, is supervisor.Attempt) (supervisor.Outcome, error) {
		q.alone = is.Alone
		failure = nil
		outcome, err := r.run(ctx, q)
		if err != nil {
			return outcome, err
		}
		// The guest's own failure is not the simulator's: another try changes nothing.
		return outcome, failure
	})
	var given *supervisor.GivenUpError
	if errors.As(err, &given) {
		return verdictError(given.Outcome)
	}
	return err
}

// failed returns the failure that the records tell of, if there is one.
func failed(records []guest.Record) error {
	for _, record := range records {
		if record.Status != guest.Failed || record.Kind == guest.End {
			continue
		}
		return &gem5bridge.Failure{Kind: kindOf(record), Function: record.Function, Input: record.Input, Text: record.Reason}
	}
	if n := len(records); n > 0 && records[n-1].Status == guest.Failed {
		return &gem5bridge.Failure{Kind: gem5bridge.ErrNotReady, Text: records[n-1].Reason}
	}
	return nil
}

// kindOf returns the kind of a failure that a record tells of.
func kindOf(record guest.Record) error {
	switch {
	case record.Kind != guest.Call:
		return gem5bridge.ErrNotReady
	case strings.Contains(record.Reason, "it died during the call"):
		return gem5bridge.ErrFunctionDied
	case strings.Contains(record.Reason, "no reply after"):
		return gem5bridge.ErrDeadline
	default:
		return gem5bridge.ErrWrongReply
	}
}
