package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"microcosm/gem5bridge/job"
	"microcosm/setup/reaper"
)

// ended is one job that cosim kill has ended.
type ended struct {
	ID   string `json:"id"`
	What string `json:"what"`
	Why  string `json:"why"`
}

func (a *app) killCommand() *cobra.Command {
	var stuck bool
	grace := job.DefaultGrace
	c := &cobra.Command{
		Use:   "kill [ID...]",
		Short: "End detailed simulations by their id, or all that are stuck",
		Long: `End detailed simulations: SIGINT, so that gem5 may write its files, then
SIGTERM, then SIGKILL, to the process group that the job's record names, after
its pid, start time and boot id were compared. A process without a record, or
one that does not match it, is never touched.

With --stuck, those are ended whose orchestrator has ended or no longer looks
after them, and those past one of their deadlines.`,
		Args: func(_ *cobra.Command, args []string) error {
			if stuck == (len(args) > 0) {
				return errors.New("want either ids, as cosim jobs lists them, or --stuck")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			jobs, err := openJobs()
			if err != nil {
				return err
			}
			var list []ended
			if stuck {
				list, err = endStuck(c.Context(), jobs, grace)
			} else {
				list, err = endNamed(c.Context(), jobs, args, grace)
			}
			return errors.Join(a.printEnded(list), err)
		},
	}
	c.Flags().BoolVar(&stuck, "stuck", false, "end all that are stuck")
	c.Flags().DurationVar(&grace.Interrupt, "interrupt", grace.Interrupt, "how long a job may take to heed SIGINT")
	c.Flags().DurationVar(&grace.Terminate, "terminate", grace.Terminate, "how long it may take to heed SIGTERM")
	return c
}

func endStuck(ctx context.Context, jobs *job.Registry, grace job.Grace) ([]ended, error) {
	reaped, err := reaper.Reap(ctx, jobs, grace)
	list := []ended{}
	for _, r := range reaped {
		list = append(list, ended{r.Job.ID, r.Job.What, r.Why})
	}
	return list, err
}

// endNamed ends the named jobs. All are looked up before any is ended.
func endNamed(ctx context.Context, jobs *job.Registry, ids []string, grace job.Grace) ([]ended, error) {
	var records []job.Record
	var mistakes []error
	for _, id := range ids {
		record, err := jobs.Load(id)
		if err != nil {
			mistakes = append(mistakes, err)
		}
		records = append(records, record)
	}
	list := []ended{}
	if len(mistakes) > 0 {
		return list, errors.Join(mistakes...)
	}
	const why = "ended by cosim kill"
	for _, record := range records {
		if err := jobs.End(ctx, record, job.Killed, why, grace); err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		list = append(list, ended{record.ID, record.What, why})
	}
	return list, errors.Join(mistakes...)
}

func (a *app) printEnded(list []ended) error {
	if a.json {
		return printJSON(a.out, list)
	}
	if len(list) == 0 {
		fmt.Fprintln(a.err, "nothing was ended")
	}
	for _, e := range list {
		fmt.Fprintf(a.out, "%s  %s: %s\n", e.ID, e.What, e.Why)
	}
	return nil
}
