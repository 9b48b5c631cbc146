package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"microcosm/images"
	"microcosm/images/cache"
	"microcosm/images/ext4"
	"microcosm/images/isa"
	"microcosm/images/trial"
)

// settings are the flags of every verb.
type settings struct {
	isa, out, agent, sources, staged, cacheDir string
	jobs, nice                                 int
	refresh, verbose                           bool
	deadline                                   time.Duration
	functions                                  int
	try                                        []string
	record                                     string
	count                                      bool
}

func command() *cobra.Command {
	var s settings
	root := &cobra.Command{
		Use: "images", Short: "Build, boot and measure kernels and disk images for guests",
		SilenceUsage: true, SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&s.isa, "isa", "x86_64", "instruction set: x86_64 or arm64")
	flags.StringVar(&s.out, "out", "out", "directory of the products; each ISA has its own in it")
	flags.StringVar(&s.agent, "agent", "./guest/cmd/agent", "Go package of the guest agent")
	flags.StringVar(&s.sources, "sources", "../functions", "directory of the catalog's functions; empty: none of them")
	flags.StringVar(&s.staged, "staged", "", "directory with further functions/ and layers/ staged for this ISA")
	flags.StringVar(&s.cacheDir, "cache", "", "directory of the cache (default: microcosm in the user's cache directory)")
	flags.IntVar(&s.jobs, "jobs", runtime.NumCPU(), "parallel compilations of the kernel")
	flags.IntVar(&s.nice, "nice", 10, "niceness of the kernel's compilation")
	flags.BoolVar(&s.refresh, "refresh", false, "ask Debian for newer packages")
	flags.BoolVarP(&s.verbose, "verbose", "v", false, "show the output of the tools")
	for _, verb := range []struct {
		use, short string
		run        func(context.Context, images.Options, settings) error
	}{
		{"kernel", "Build the kernel", runKernel},
		{"rootfs", "Build the guest's root and the layers that functions share", runRootfs},
		{"image", "Build the disk image, and all that it needs", runImage},
		{"check", "Check the image against its manifest, the disk's file system and the kernel's configuration", runCheck},
		{"try", "Boot the image in QEMU and invoke every function, cold, warm and lukewarm", runTry},
		{"boot", "Boot the image in QEMU and show its console", runBoot},
		{"boot-profile", "Show where the instructions of a boot go", runProfile},
		{"clean", "Remove the products, but not the cache", runClean},
	} {
		root.AddCommand(&cobra.Command{Use: verb.use, Short: verb.short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := s.options()
			if err != nil {
				return err
			}
			return verb.run(cmd.Context(), o, s)
		}})
	}
	flags.DurationVar(&s.deadline, "deadline", 0, "when a boot is given up (default: 2m, of try 40m)")
	flags.StringSliceVar(&s.try, "only", nil, "functions to try (default: all of the image)")
	flags.StringVar(&s.record, "record", "", "directory into which try records its report; empty: nowhere")
	flags.BoolVar(&s.count, "count", false, "count the instructions of every call that try makes: several times slower")
	flags.IntVar(&s.functions, "functions", 25, "how many functions of the kernel boot-profile lists")
	root.AddCommand(&cobra.Command{
		Use: "matrix DIR DOCUMENT...", Short: "Write the support matrix of the reports recorded in DIR into documents",
		Args: cobra.MinimumNArgs(2), RunE: func(_ *cobra.Command, args []string) error { return trial.WriteMatrix(args[0], args[1:]...) },
	})
	return root
}

func (s settings) options() (images.Options, error) {
	i, err := isa.Parse(s.isa)
	if err != nil {
		return images.Options{}, err
	}
	if s.cacheDir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return images.Options{}, fmt.Errorf("no place for the cache: %w; set XDG_CACHE_HOME", err)
		}
		s.cacheDir = filepath.Join(base, "microcosm")
	}
	c, err := cache.Open(s.cacheDir)
	if err != nil {
		return images.Options{}, err
	}
	o := images.Options{
		ISA: i, Cache: c, Out: filepath.Join(s.out, i.String()), Agent: s.agent, Sources: s.sources, Staged: s.staged,
		Jobs: s.jobs, Nice: s.nice, Refresh: s.refresh,
	}
	if s.verbose {
		o.Log = os.Stderr
	}
	return o, nil
}

// done prints one line about what was done.
func done(start time.Time, format string, args ...any) {
	fmt.Printf("%-60s %7.1fs\n", fmt.Sprintf(format, args...), time.Since(start).Seconds())
}

func runKernel(ctx context.Context, o images.Options, _ settings) error {
	start := time.Now()
	fmt.Fprintf(os.Stderr, "kernel %s: minutes where it is not cached\n", o.ISA)
	k, err := images.BuildKernel(ctx, o)
	if err != nil {
		return err
	}
	done(start, "kernel %s %s: %s %.1f MB", o.ISA, k.Version, k.Image.Name, float64(k.Image.Bytes)/1e6)
	return nil
}

func runRootfs(ctx context.Context, o images.Options, _ settings) error {
	start := time.Now()
	layers, err := images.BuildLayers(ctx, o)
	if err != nil {
		return err
	}
	for _, l := range layers {
		fmt.Printf("  layer %-12s %s %v\n", l.Name, l.Digest[:19], l.On)
	}
	done(start, "root file system %s: %d layers", o.ISA, len(layers))
	return nil
}

func runImage(ctx context.Context, o images.Options, _ settings) error {
	start := time.Now()
	m, err := images.Build(ctx, o)
	if err != nil {
		return err
	}
	done(start, "image %s: %d layers, %d functions, %.0f MB", o.ISA, len(m.Layers), len(m.Functions), float64(m.Disk.Bytes)/1e6)
	fmt.Println(m.Disk.Digest)
	return nil
}

func runCheck(ctx context.Context, o images.Options, _ settings) error {
	start := time.Now()
	_, err := images.Verify(o.Out)
	err = errors.Join(err, images.CheckKernel(o.ISA, o.Out))
	if err == nil {
		err = ext4.Check(ctx, images.Disk(o.Out))
	}
	if err != nil {
		return err
	}
	done(start, "check %s: manifest, file system and kernel configuration agree", o.ISA)
	return nil
}

// usualTry is the deadline of a trial: some thirty functions in an emulator on a
// busy machine.
const usualTry = 40 * time.Minute

func runTry(ctx context.Context, o images.Options, s settings) error {
	start := time.Now()
	report, err := trial.Run(ctx, trial.Options{
		Image: o, Functions: s.try, Deadline: cmp.Or(s.deadline, usualTry), Count: s.count, Progress: os.Stdout,
	})
	if err != nil {
		return err
	}
	if s.record != "" {
		if err := trial.Record(s.record, report); err != nil {
			return err
		}
	}
	done(start, "try %s: %d functions, up after %.1f s", o.ISA, len(report.Outcomes)/len(trial.Modes), report.Up.Seconds())
	return nil
}

// usualBoot is the deadline of a boot.
const usualBoot = 2 * time.Minute

func runBoot(ctx context.Context, o images.Options, s settings) error {
	result, err := images.Boot(ctx, o, images.BootOptions{Deadline: cmp.Or(s.deadline, usualBoot), Console: os.Stdout})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %s after %.1f s, up after %.1f s\n", o.ISA, result.Verdict, result.Wall.Seconds(), result.Ready.Seconds())
	return nil
}

func runProfile(ctx context.Context, o images.Options, s settings) error {
	boot, err := images.ProfileBoot(ctx, o, cmp.Or(s.deadline, usualBoot))
	if err != nil {
		return err
	}
	return boot.Write(io.Writer(os.Stdout), s.functions)
}

func runClean(_ context.Context, o images.Options, _ settings) error {
	return images.Clean(o.ISA, o.Out)
}
