package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/process"
)

// Variable is the environment variable that marks every process of a job with
// the job's id.
const Variable = "MICROCOSM_JOB"

// schema is the version of the record's format.
const schema = 1

// idForm is what an id looks like: drawn, so that no two jobs share one.
var idForm = regexp.MustCompile(`^[a-z2-7]{10}$`)

// Record is what is known of one job.
type Record struct {
	Schema   int              `json:"schema"`
	ID       string           `json:"id"`
	What     string           `json:"what"` // for people: platform, function, condition
	Campaign string           `json:"campaign,omitempty"`
	Host     string           `json:"host"`
	Process  process.Identity `json:"process"` // leads the group of the same number
	Owner    process.Identity `json:"owner"`   // supervises the job
	Command  []string         `json:"command"`
	Folder   string           `json:"folder"`            // of the job's files
	Console  string           `json:"console,omitempty"` // the guest's console, absolute
	Begun    time.Time        `json:"begun"`
	Limits   Limits           `json:"limits"`
	Progress Progress         `json:"progress"`
	End      *End             `json:"end,omitempty"` // nil while it runs
}

// Limits are the deadlines of a job, one per heartbeat, and what it may take. 0
// is no limit. The first three are in CPU time of the job, which a busy machine
// does not use up.
type Limits struct {
	Host   time.Duration `json:"host"`   // CPU time without a new tick
	Commit time.Duration `json:"commit"` // CPU time without a committed instruction
	Work   time.Duration `json:"work"`   // CPU time without a work item or a line on the console
	Idle   time.Duration `json:"idle"`   // wall time during which it neither used CPU nor waited for any
	Total  time.Duration `json:"total"`  // wall time in all
	Memory int64         `json:"memory"` // resident bytes of all its processes
	Disk   int64         `json:"disk"`   // bytes that must stay free where its files are
}

// Progress is how far a job is: the three heartbeats and when each last moved.
type Progress struct {
	At           time.Time         `json:"at"` // when this was seen
	Phase        string            `json:"phase,omitempty"`
	CPU          time.Duration     `json:"cpu"` // used by all its processes
	Memory       int64             `json:"memory"`
	Ticks        servicetime.Ticks `json:"ticks"`
	Instructions int64             `json:"instructions"` // committed by all cores since the start
	Items        int64             `json:"items"`        // work items done
	Of           int64             `json:"of,omitempty"` // work items expected; 0: unknown
	Console      int64             `json:"console"`      // bytes
	FirstItem    time.Duration     `json:"firstItem"`    // CPU time at the first item
	LastItem     servicetime.Ticks `json:"lastItem"`     // tick at which the last item ended
	Alive        time.Time         `json:"alive"`        // when it last used CPU or waited for some
	Quiet        Quiet             `json:"quiet"`
}

// Quiet is the CPU time that has gone since each heartbeat last moved.
type Quiet struct {
	Host   time.Duration `json:"host"`
	Commit time.Duration `json:"commit"`
	Work   time.Duration `json:"work"`
}

// Overdue returns the verdict over a job that has gone past one of its limits
// and the evidence, or Invalid. It is a pure function of what was seen.
func (l Limits) Overdue(p Progress, begun time.Time) (Verdict, string) {
	past := func(limit, is time.Duration) bool { return limit > 0 && is > limit }
	hang := GuestHang
	if p.Phase == "boot" {
		hang = BootHang
	}
	switch {
	case l.Memory > 0 && p.Memory > l.Memory:
		return OutOfMemory, fmt.Sprintf("it takes %d MiB of memory, more than the %d MiB it may", p.Memory>>20, l.Memory>>20)
	case past(l.Idle, p.At.Sub(p.Alive)):
		return SimHang, fmt.Sprintf("the simulator has been idle for %v", p.At.Sub(p.Alive).Round(time.Millisecond))
	case past(l.Host, p.Quiet.Host):
		return SimHang, fmt.Sprintf("%v of CPU time since tick %d", p.Quiet.Host, p.Ticks)
	case past(l.Commit, p.Quiet.Commit):
		return hang, fmt.Sprintf("%v of CPU time since instruction %d, though ticks pass", p.Quiet.Commit, p.Instructions)
	case past(l.Work, p.Quiet.Work):
		return hang, fmt.Sprintf("%v of CPU time since work item %d and console byte %d, though instructions commit", p.Quiet.Work, p.Items, p.Console)
	case past(l.Total, p.At.Sub(begun)):
		return Timeout, fmt.Sprintf("%v have passed, more than the %v it may take", p.At.Sub(begun).Round(time.Millisecond), l.Total)
	}
	return Invalid, ""
}

// MIPS returns how many million instructions a second of CPU time were committed
// so far, or 0.
func (p Progress) MIPS() float64 {
	if p.CPU <= 0 {
		return 0
	}
	return float64(p.Instructions) / 1e6 / p.CPU.Seconds()
}

// Left estimates how much CPU time the job still takes: that of the items left at
// the pace since the first item. It reports false before two items are done, and
// where their number is unknown.
func (p Progress) Left() (time.Duration, bool) {
	if p.Of == 0 || p.Items < 2 || p.FirstItem <= 0 {
		return 0, false
	}
	each := (p.CPU - p.FirstItem) / time.Duration(p.Items-1)
	return each * time.Duration(max(0, p.Of-p.Items)), true
}

// Parse reads a record. Its error lists every mistake.
func Parse(text []byte) (Record, error) {
	var r Record
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("job record: %w", err)
	}
	if decoder.More() {
		return Record{}, errors.New("job record: more than one value")
	}
	return r, r.check()
}

func (r Record) check() error {
	var mistakes []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			mistakes = append(mistakes, fmt.Errorf("job record: "+format, args...))
		}
	}
	want(r.Schema == schema, "schema %d: this program knows %d", r.Schema, schema)
	want(idForm.MatchString(r.ID), "id %q: want ten of a-z and 2-7", r.ID)
	want(r.Host != "", "no host")
	for _, p := range []struct {
		name string
		is   process.Identity
	}{{"process", r.Process}, {"owner", r.Owner}} {
		want(p.is.PID > 1, "%s: pid %d cannot be a job's", p.name, p.is.PID)
		want(p.is.Start > 0, "%s: no start time", p.name)
		want(p.is.Boot != "", "%s: no boot id", p.name)
	}
	want(!r.Begun.IsZero(), "no beginning")
	return errors.Join(mistakes...)
}

// State is what a job's process is doing now.
type State string

// The states. Of a job on another machine, or before this boot, nobody here can
// tell.
const (
	Running   State = "running"
	Ended     State = "ended"     // the record is closed
	Lost      State = "lost"      // the record is open, but its orchestrator has ended
	Elsewhere State = "elsewhere" // on another machine
)

// State looks at the processes of the job.
func (r Record) State() State {
	switch {
	case r.End != nil:
		return Ended
	case r.Owner.Here() && r.Owner.Running():
		return Running
	case !r.Owner.Here() && r.Host != hostname():
		return Elsewhere
	default:
		return Lost
	}
}

// End is how a job ended.
type End struct {
	Verdict Verdict   `json:"verdict"`
	Text    string    `json:"text,omitempty"` // the evidence
	At      time.Time `json:"at"`
}
