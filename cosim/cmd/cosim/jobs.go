package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"microcosm/gem5bridge/job"
)

// jobStatus is one job as cosim jobs --json tells it.
type jobStatus struct {
	job.Record
	State job.State `json:"state"`
	Stuck string    `json:"stuck,omitempty"` // why cosim kill --stuck would end it
	MIPS  float64   `json:"mips"`            // million instructions a second of CPU time
	Left  *float64  `json:"left,omitempty"`  // seconds by the wall clock, an estimate
}

// jobsReport is all that cosim jobs --json tells.
type jobsReport struct {
	Jobs        []jobStatus `json:"jobs"`
	Quarantined []job.Entry `json:"quarantined"`
}

// jobsOptions are the flags of cosim jobs.
type jobsOptions struct {
	all     bool
	follow  string
	release string
}

func (a *app) jobsCommand() *cobra.Command {
	var o jobsOptions
	c := &cobra.Command{
		Use:   "jobs",
		Short: "Show the detailed simulations of this machine and how far they are",
		Long: `Show the detailed simulations that run on this machine, how far each is, how
fast it simulates (million instructions a second of CPU time) and how long it
will take. A job that is stuck is marked; cosim kill --stuck ends it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.follow != "" && o.release != "" || o.all && o.follow+o.release != "" {
				return usage("--all, --follow and --release are three questions: ask one")
			}
			jobs, err := openJobs()
			if err != nil {
				return err
			}
			switch {
			case o.follow != "":
				return a.followJob(c.Context(), jobs, o.follow)
			case o.release != "":
				return jobs.Quarantine(job.QuarantineAfter).Release(c.Context(), o.release)
			}
			return a.listJobs(jobs, o.all)
		},
	}
	c.Flags().BoolVarP(&o.all, "all", "a", false, "show those that have ended as well")
	c.Flags().StringVar(&o.follow, "follow", "", "print the guest's console of the job with this id until it ends")
	c.Flags().StringVar(&o.release, "release", "", "take this subject out of quarantine")
	return c
}

func openJobs() (*job.Registry, error) {
	folder, err := job.DefaultFolder()
	if err != nil {
		return nil, err
	}
	return job.Open(folder)
}

// listJobs prints what is known of every job. A damaged record is told and hides
// none of the others.
func (a *app) listJobs(jobs *job.Registry, all bool) error {
	records, damage := jobs.List()
	quarantined, err := jobs.Quarantine(job.QuarantineAfter).List()
	report := jobsReport{Jobs: []jobStatus{}, Quarantined: append([]job.Entry{}, quarantined...)}
	now := time.Now()
	for _, record := range records {
		if record.End == nil || all {
			report.Jobs = append(report.Jobs, statusOf(record, now))
		}
	}
	if a.json {
		return errors.Join(printJSON(a.out, report), damage, err)
	}
	return errors.Join(a.printJobs(report, now), damage, err)
}

func statusOf(record job.Record, now time.Time) jobStatus {
	s := jobStatus{Record: record, State: record.State(), Stuck: record.Stuck(now), MIPS: record.Progress.MIPS()}
	if left, known := wallLeft(record); known && record.End == nil {
		seconds := left.Seconds()
		s.Left = &seconds
	}
	return s
}

// wallLeft is the CPU time that is left, at the share of a core that the job has
// had so far.
func wallLeft(r job.Record) (time.Duration, bool) {
	left, known := r.Progress.Left()
	wall := r.Progress.At.Sub(r.Begun)
	if !known || r.Progress.CPU <= 0 || wall <= 0 {
		return 0, false
	}
	return time.Duration(float64(left) * wall.Seconds() / r.Progress.CPU.Seconds()), true
}

func (a *app) printJobs(report jobsReport, now time.Time) error {
	if len(report.Jobs) == 0 {
		fmt.Fprintln(a.err, "no detailed simulation runs here")
	} else {
		table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "id\tstate\tphase\titems\tMIPS\tage\tleft\twhat")
		for _, s := range report.Jobs {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.2f\t%s\t%s\t%s\n",
				s.ID, shownState(s), cmp.Or(s.Progress.Phase, "-"), items(s.Progress), s.MIPS, age(s.Record, now), left(s.Left), s.What)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	for _, s := range report.Jobs {
		if s.Stuck != "" {
			fmt.Fprintf(a.err, "%s is stuck: %s; cosim kill %s ends it\n", s.ID, s.Stuck, s.ID)
		}
	}
	for _, entry := range report.Quarantined {
		fmt.Fprintln(a.err, &job.QuarantinedError{Entry: entry})
	}
	return nil
}

// shownState is the verdict of a job that has ended, else its state.
func shownState(s jobStatus) string {
	switch {
	case s.End != nil:
		return s.End.Verdict.String()
	case s.Stuck != "":
		return "stuck"
	}
	return string(s.State)
}

func items(p job.Progress) string {
	if p.Of == 0 {
		return fmt.Sprint(p.Items)
	}
	return fmt.Sprintf("%d/%d", p.Items, p.Of)
}

func age(r job.Record, now time.Time) string {
	if r.End != nil {
		now = r.End.At
	}
	return now.Sub(r.Begun).Round(time.Second).String()
}

func left(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return (time.Duration(*seconds) * time.Second).String()
}

// followEvery is how often a console is read on.
const followEvery = 200 * time.Millisecond

// followJob prints a job's console from its beginning, and what is added until
// the job has ended.
func (a *app) followJob(ctx context.Context, jobs *job.Registry, id string) error {
	record, err := jobs.Load(id)
	if err != nil {
		return err
	}
	console, err := os.Open(record.Console)
	for errors.Is(err, fs.ErrNotExist) && record.State() == job.Running {
		if err := pause(ctx); err != nil {
			return err
		}
		console, err = os.Open(record.Console)
	}
	if err != nil {
		return fmt.Errorf("follow job %s: %w", record.ID, err)
	}
	defer console.Close()
	reader := bufio.NewReader(console)
	for {
		// The state first: what is written until it changed is read after.
		record, err = jobs.Load(record.ID)
		if err != nil {
			return err
		}
		state := record.State()
		if _, err := io.Copy(a.out, reader); err != nil {
			return fmt.Errorf("follow job %s: %w", record.ID, err)
		}
		if state != job.Running {
			fmt.Fprintf(a.err, "job %s: %s\n", record.ID, shownState(statusOf(record, time.Now())))
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(followEvery):
		return nil
	}
}
