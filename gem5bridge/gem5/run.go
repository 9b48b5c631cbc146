package gem5

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/gem5/armboot"
	"microcosm/gem5bridge/gem5/checkpoint"
	"microcosm/gem5bridge/gem5/config"
	"microcosm/gem5bridge/gem5/events"
	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/supervisor"
	"microcosm/images"
	guest "microcosm/images/guest/job"
	"microcosm/images/guest/m5"
	"microcosm/images/isa"
	"microcosm/images/kernel"
)

// Modes of a run; see FORMAT.md.
const (
	modeBoot    = "boot"
	modePrepare = "prepare"
	modeMeasure = "measure"
)

// How much of a measured run is detailed.
const (
	detailAlways = "always"
	detailItems  = "items"
)

// settle is when work items begin to count.
type settle struct {
	Window    int     `json:"window"`
	Tolerance float64 `json:"tolerance"`
	Least     int     `json:"least"`
	Most      int     `json:"most"`

	Later int `json:"-"` // calls that are left out once it has settled
}

// spec is spec.json.
type spec struct {
	Format      int               `json:"format"`
	Mode        string            `json:"mode"`
	ISA         isa.ISA           `json:"isa"`
	Kernel      string            `json:"kernel"`
	Disk        string            `json:"disk"`
	BootLoader  string            `json:"bootloader"`
	CommandLine string            `json:"commandLine"`
	ReadFile    string            `json:"readfile"`
	Restore     string            `json:"restore"`
	Memory      int64             `json:"memory"`
	Platform    map[string]any    `json:"platform"`
	Detail      string            `json:"detail"`
	Functional  int               `json:"functional"`
	Flush       []string          `json:"flush"`
	Count       int               `json:"count"`
	Settle      settle            `json:"settle"`
	ItemLimit   servicetime.Ticks `json:"itemLimit"`
	Limit       servicetime.Ticks `json:"limit"`
}

// Names of the files of a run; see FORMAT.md.
const (
	specName       = "spec.json"
	jobName        = "job.json"
	checkpointName = "checkpoint"
)

// runs starts runs of gem5 under supervision.
type runs struct {
	*plan
	supervisor *supervisor.Supervisor
	checkpoint *checkpoint.Cache
	folder     string // of the runs
	main       string // the script
	bootLoader string // Arm's
	campaign   string
	observe    func(what string, p job.Progress)
}

// newRuns prepares folder for runs.
func newRuns(p *plan, folder string, s *supervisor.Supervisor) (*runs, error) {
	r := &runs{plan: p, supervisor: s, folder: filepath.Join(folder, "runs")}
	if err := os.MkdirAll(r.folder, 0o755); err != nil {
		return nil, err
	}
	var err error
	if r.main, err = config.Install(folder); err != nil {
		return nil, err
	}
	if p.platform.ISA == isa.Arm {
		r.bootLoader = filepath.Join(filepath.Dir(r.main), "boot.arm64")
		if err := os.WriteFile(r.bootLoader, armboot.ELF(), 0o644); err != nil {
			return nil, err
		}
	}
	r.checkpoint, err = checkpoint.Open(filepath.Join(folder, "checkpoints"), p.settings.checkpoints)
	return r, err
}

// request is one run to do.
type request struct {
	what    string // for people
	phase   string
	spec    spec
	job     *guest.Job // nil: none
	items   int64      // expected; 0: unknown
	alone   bool
	collect func(result) // is given what came of it, before its files are removed
}

// result is what came of a run, whole or not.
type result struct {
	folder  string
	events  events.Run
	records []guest.Record
	damage  error // in what was read; nil if it is whole
	cost    time.Duration
}

// run does one run. Its error is no verdict: it could not be started, or ctx
// has ended.
func (r *runs) run(ctx context.Context, q request) (supervisor.Outcome, error) {
	folder, err := os.MkdirTemp(r.folder, q.spec.Mode+"-")
	if err != nil {
		return supervisor.Outcome{}, err
	}
	outcome, err := r.runIn(ctx, folder, q)
	// What is left of a failed run says why it failed, and a registered job's
	// console is shown by `cosim jobs`: only the good ones' files go.
	if outcome.OK() || ctx.Err() != nil {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return outcome, err
}

func (r *runs) runIn(ctx context.Context, folder string, q request) (supervisor.Outcome, error) {
	if err := r.write(folder, &q); err != nil {
		return supervisor.Outcome{}, err
	}
	hang := r.settings.hang
	s := supervisor.Spec{
		What: q.what, Campaign: r.campaign, Folder: folder, Phase: q.phase, Of: q.items, Alone: q.alone,
		Args:   []string{r.program.Path, "--outdir=" + folder, "--listener-mode=off", r.main, filepath.Join(folder, specName)},
		Limits: job.Limits{Host: hang, Commit: hang, Work: 3 * hang, Idle: hang, Disk: 1 << 30},
		Observe: func(p job.Progress) {
			if r.observe != nil {
				r.observe(q.what, p)
			}
		},
	}
	if q.job != nil {
		s.Growing = []string{"records-" + q.job.ID}
	}
	var got result
	s.Check = func() error {
		got = read(folder, q.job)
		return got.damage
	}
	outcome, err := r.supervisor.Run(ctx, s)
	if err == nil {
		err = r.image.same() // whatever came of it, it may have run on two images
	}
	if err != nil {
		return outcome, err
	}
	if !outcome.OK() {
		got = read(folder, q.job)
	}
	got.folder, got.cost = folder, outcome.Wall
	if q.collect != nil {
		q.collect(got)
	}
	return outcome, nil
}

// write completes the specification and writes it and the job.
func (r *runs) write(folder string, q *request) error {
	q.spec.Format, q.spec.ISA = 1, r.platform.ISA
	q.spec.Kernel, q.spec.Disk, q.spec.BootLoader = images.KernelELF(r.image.folder), images.Disk(r.image.folder), r.bootLoader
	for _, path := range []*string{&q.spec.Kernel, &q.spec.Disk} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	q.spec.Memory, q.spec.Platform = r.platform.MemoryBytes(), r.platform.Values()
	if q.spec.Flush == nil {
		q.spec.Flush = []string{}
	}
	if q.job != nil {
		text, err := guest.Marshal(*q.job)
		if err != nil {
			return err
		}
		q.spec.ReadFile = filepath.Join(folder, jobName)
		if err := os.WriteFile(q.spec.ReadFile, text, 0o644); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(q.spec, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, specName), append(text, '\n'), 0o644)
}

// commandLine is the kernel's; boot tells boots apart.
func (r *runs) commandLine(boot int) string {
	clock := kernel.Clock{}
	if r.platform.ISA == isa.X86 {
		clock = kernel.Gem5Clock(r.platform.ClockKHz())
	}
	words := append(kernel.CommandLine(r.platform.ISA, clock), m5.Word, fmt.Sprintf("microcosm.boot=%d", boot))
	return strings.Join(words, " ")
}

// read reads what a run has written. What is damaged is told, and what came
// before the damage kept.
func read(folder string, j *guest.Job) result {
	var got result
	file, err := os.Open(filepath.Join(folder, events.Name))
	if err != nil {
		got.damage = err
		return got
	}
	defer file.Close()
	got.events, got.damage = events.Read(file)
	if j == nil {
		return got
	}
	records, err := os.Open(filepath.Join(folder, "records-"+j.ID))
	if err != nil {
		got.damage = errors.Join(got.damage, err)
		return got
	}
	defer records.Close()
	got.records, err = guest.ReadRecords(records)
	// A run that is ended when it has measured enough leaves its job unfinished.
	if err != nil && (got.events.End.Cause == events.CauseEnough || got.events.End.Cause == events.CauseOverdue) && onlyIncomplete(err) {
		err = nil
	}
	for _, record := range got.records {
		if record.Job != j.ID && record.Job != "unknown" {
			err = errors.Join(err, fmt.Errorf("record %d is of job %q, not %q", record.Seq, record.Job, j.ID))
		}
	}
	got.damage = errors.Join(got.damage, err)
	return got
}

// onlyIncomplete says that records lack their end and nothing else.
func onlyIncomplete(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // every leaf is looked at
		for _, leaf := range joined.Unwrap() {
			if !onlyIncomplete(leaf) {
				return false
			}
		}
		return true
	}
	return errors.Is(err, guest.ErrIncomplete)
}

// verdictError says how a run ended that did not do what it should.
func verdictError(o supervisor.Outcome) error {
	text := fmt.Sprintf("%s ended with %s: %s", o.ID, o.Verdict, o.Text)
	if n := len(o.Tail); n > 0 {
		text += "; gem5's last line: " + o.Tail[n-1]
	}
	kind := error(nil)
	if o.Verdict == job.BootHang {
		kind = gem5bridge.ErrNotReady
	}
	return &gem5bridge.Failure{Kind: kind, Text: text}
}
