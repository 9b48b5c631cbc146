package gem5

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/gem5/platforms"
	"microcosm/images/isa"
)

// Settings of this back end: where things are and how long they may take.
const (
	SettingGem5        = "gem5"        // the program; default: Variable, then the PATH
	SettingImages      = "images"      // the folder of the images
	SettingCheckpoints = "checkpoints" // bytes that they may take; default 20 GiB
	SettingHang        = "hang"        // CPU time without progress that ends a run, as a duration; default 10m
	SettingFunctional  = "functional"  // from how many interleaved calls on they run on the functional core; default: never; part of the stack
)

const (
	defaultCheckpoints = 20 << 30
	defaultHang        = 10 * time.Minute
)

// Backend measures in gem5. It implements gem5bridge.Backend.
type Backend struct {
	catalog *functions.Catalog

	mu       sync.Mutex
	programs map[string]Program // by what was named
}

// New returns the back end for the functions of catalog.
func New(catalog *functions.Catalog) *Backend {
	return &Backend{catalog: catalog, programs: map[string]Program{}}
}

// Main makes this process a plugin that measures the functions that ship with
// the product in gem5.
func Main() error {
	catalog, err := functions.Load()
	if err != nil {
		return err
	}
	gem5bridge.Serve(New(catalog))
	return nil
}

// kinds are the conditions that can be measured.
var kinds = []servicetime.Kind{
	servicetime.Cold, servicetime.Warm, servicetime.Lukewarm, servicetime.Flush, servicetime.FlushStructure,
	servicetime.Stressor, servicetime.StageCreate, servicetime.StageInit,
}

// scene is what a setup comes to.
type scene struct {
	program  Program
	platform platforms.Platform
	image    guestImage
	stack    string
	settings settings
}

// settings are the parsed ones.
type settings struct {
	images      string
	checkpoints int64
	hang        time.Duration
	functional  int // 0: never
}

// Describe implements gem5bridge.Backend. Without a platform in setup it describes
// every platform, and the stack of the first that there is an image for.
func (b *Backend) Describe(ctx context.Context, setup gem5bridge.Setup) (gem5bridge.Description, error) {
	wanted := setup
	if wanted.Platform == "" {
		wanted.Platform = platforms.Names()[0]
		for _, name := range platforms.Names() {
			if s, err := b.scene(ctx, gem5bridge.Setup{Platform: name, Settings: setup.Settings}); err == nil {
				wanted.Platform = s.platform.Name
				break
			}
		}
	}
	s, err := b.scene(ctx, wanted)
	if err != nil {
		return gem5bridge.Description{}, err
	}
	d := gem5bridge.Description{
		Backend: "gem5", Version: s.program.Version, Stack: s.stack, Conditions: kinds, Images: s.image.functions(),
		Notes: []string{
			"cold and its stages run on a functional core but for the call itself",
			fmt.Sprintf("gem5 %s, %s", s.program.Version, s.program.Path),
		},
	}
	names := []string{s.platform.Name}
	if setup.Platform == "" {
		names = platforms.Names()
	}
	for _, name := range names {
		p := s.platform
		if name != p.Name {
			if p, err = platforms.Load(name, nil); err != nil {
				return gem5bridge.Description{}, err
			}
		}
		d.Platforms = append(d.Platforms, gem5bridge.Platform{Name: p.Name, Digest: p.Digest(), ISA: p.ISA.GoArch(), Parameters: p.Parameters})
	}
	return d, nil
}

// scene looks up all that setup names. Its error joins every mistake.
func (b *Backend) scene(ctx context.Context, setup gem5bridge.Setup) (scene, error) {
	var s scene
	var mistakes []error
	mistake := func(err error) {
		if err != nil {
			mistakes = append(mistakes, gem5bridge.Mistake("%v", err))
		}
	}
	var err error
	s.settings, err = parseSettings(setup.Settings)
	mistakes = append(mistakes, err)
	s.platform, err = platforms.Load(setup.Platform, setup.Overrides)
	mistake(err)
	s.program, err = b.program(ctx, setup.Settings[SettingGem5])
	if err != nil {
		return s, errors.Join(append(mistakes, err)...)
	}
	if s.platform.ISA == isa.Invalid {
		return s, errors.Join(mistakes...)
	}
	if !slices.Contains(s.program.ISAs, s.platform.ISA) {
		mistake(fmt.Errorf("%s simulates %v, the platform %s is %s: build gem5 with it", s.program.Path, s.program.ISAs, s.platform.Name, s.platform.ISA))
	}
	s.image, err = loadImage(s.settings.images, s.platform.ISA)
	mistake(err)
	if err := errors.Join(mistakes...); err != nil {
		return s, err
	}
	s.stack = s.image.stack(s.program.Version, s.settings.functional)
	return s, nil
}

// program finds gem5 once.
func (b *Backend) program(ctx context.Context, named string) (Program, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, known := b.programs[named]; known {
		return p, nil
	}
	p, err := Find(ctx, named)
	if err != nil {
		return Program{}, err
	}
	b.programs[named] = p
	return p, nil
}

// parseSettings reads the settings. Its error joins every mistake.
func parseSettings(given map[string]string) (settings, error) {
	s := settings{images: defaultImages(), checkpoints: defaultCheckpoints, hang: defaultHang}
	var mistakes []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		switch name {
		case SettingGem5:
		case SettingImages:
			s.images = value
		case SettingCheckpoints:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n <= 0 {
				mistakes = append(mistakes, gem5bridge.Mistake("setting %s %q: want a number of bytes", name, value))
			}
			s.checkpoints = n
		case SettingHang:
			d, err := time.ParseDuration(value)
			if err != nil || d <= 0 {
				mistakes = append(mistakes, gem5bridge.Mistake(`setting %s %q: want a positive duration like "10m"`, name, value))
			}
			s.hang = d
		case SettingFunctional:
			n, err := strconv.Atoi(value)
			if err != nil || n <= 0 {
				mistakes = append(mistakes, gem5bridge.Mistake("setting %s %q: want a number of calls, at least 1", name, value))
			}
			s.functional = n
		default:
			mistakes = append(mistakes, gem5bridge.Mistake("setting %q: the gem5 back end knows %s, %s, %s, %s and %s",
				name, SettingGem5, SettingImages, SettingCheckpoints, SettingHang, SettingFunctional))
		}
	}
	return s, errors.Join(mistakes...)
}

// workFolder is where runs and checkpoints are kept: the setup's, or the user's
// cache.
func workFolder(setup gem5bridge.Setup) (string, error) {
	folder := setup.WorkDir
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", gem5bridge.Mistake("no folder for checkpoints: %v; name one as the working directory", err)
		}
		folder = filepath.Join(cache, "microcosm", "gem5")
	}
	return filepath.Abs(folder)
}

// slots returns how many runs there may be at a time.
func slots(job gem5bridge.Job) int {
	if job.Slots > 0 {
		return job.Slots
	}
	return runtime.NumCPU()
}
