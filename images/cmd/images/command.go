package main

import (
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
)

// settings are the flags of every verb.
type settings struct {
	isa, out, agent, staged, cacheDir string
	jobs, nice                        int
	refresh, verbose                  bool
	deadline                          time.Duration
	functions                         int
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
	flags.StringVar(&s.agent, "agent", "./guest", "Go package of the guest agent")
	flags.StringVar(&s.staged, "staged", "", "directory with functions/ and layers/ staged for this ISA")
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
	flags.DurationVar(&s.deadline, "deadline", 2*time.Minute, "when boot and boot-profile give up")
	flags.IntVar(&s.functions, "functions", 25, "how many functions of the kernel boot-profile lists")
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
		ISA: i, Cache: c, Out: filepath.Join(s.out, i.String()), Agent: s.agent, Staged: s.staged,
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

func runBoot(ctx context.Context, o images.Options, s settings) error {
	result, err := images.Boot(ctx, o, images.BootOptions{Deadline: s.deadline, Console: os.Stdout})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %s after %.1f s, up after %.1f s\n", o.ISA, result.Verdict, result.Wall.Seconds(), result.Ready.Seconds())
	return nil
}

func runProfile(ctx context.Context, o images.Options, s settings) error {
	boot, err := images.ProfileBoot(ctx, o, s.deadline)
	if err != nil {
		return err
	}
	return boot.Write(io.Writer(os.Stdout), s.functions)
}

func runClean(_ context.Context, o images.Options, _ settings) error {
	return images.Clean(o.ISA, o.Out)
}
