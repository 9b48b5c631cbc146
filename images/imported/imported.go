// Package imported makes functions of the guest's image out of container images
// that somebody else built.
//
// An image is taken unmodified: its layers become layers of the guest, its
// configuration says how it is started (entry point, arguments, environment,
// directory, user). What an image cannot say stands in a function.yaml: which
// gRPC service it serves, what is sent to it and what it must answer. The result
// is what images.Staged reads:
//
//	ISA/layers/oci-CHAIN/…           layers, shared by whatever stands on them
//	ISA/layers/oci-CHAIN.on          the layer below
//	ISA/functions/NAME/function.json how it is started
//	ISA/functions/NAME/function.yaml what is asked of it
//	ISA/functions/NAME/dependencies/DEPENDENCY.json  the same for what it needs
//	ISA/functions/NAME/root/etc/hosts localhost, and the names by which it asks others
//	ISA/functions/NAME/origin.json   which images it was made of
//
// A function appears whole or not at all; an import that fails leaves no trace.
package imported

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"microcosm/functions"
	"microcosm/images/archive"
	"microcosm/images/guest/oci"
	"microcosm/images/isa"
	"microcosm/images/unpack"
	"microcosm/setup/filelock"
)

// Names of files in a function's directory.
const (
	originFile      = "origin.json"
	catalogFile     = oci.Definition
	dependenciesDir = oci.Dependencies
)

// ErrExists is the error of a function that was imported before.
var ErrExists = errors.New("the function exists already")

// Source is an image in an archive.
type Source struct {
	Archive *archive.Archive
	Image   string // empty: the only one
}

// Start overrides how an image is started, as a compose file does. Nil and zero
// values stand for the image's own.
type Start struct {
	Entrypoint, Command []string
	Env                 []string
	Dir, User           string
	MemoryMiB           int
	Port                int
}

// Function is a function to be imported.
type Function struct {
	Name         string
	Source       Source
	Start        Start
	Definition   functions.Definition // what is asked of it
	Hosts        []string             // names by which it knows what it asks
	Dependencies []Dependency         // nil: the definition's own
}

// Dependency is a server that a function needs, in an image of its own.
type Dependency struct {
	Name   string
	Source Source
	Start  Start
}

// Origin is what a function was made of.
type Origin struct {
	Image        string            `json:"image"` // digest of the image's configuration
	Names        []string          `json:"names,omitempty"`
	Layers       []string          `json:"layers"` // digests of their contents, the lowest first
	Dependencies map[string]Origin `json:"dependencies,omitempty"`
}

// Into is where functions are imported.
type Into struct {
	Dir     string // has a directory per ISA
	ISA     isa.ISA
	Replace bool // a function of the same name gives way
	Limits  unpack.Limits
}

// validName is what a function may be called: a layer of a catalog.
var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Import imports one function.
func Import(into Into, f Function) (origin Origin, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("import %s: %w", f.Name, err)
		}
	}()
	if !validName.MatchString(f.Name) {
		return Origin{}, fmt.Errorf("a function's name is at most 63 of a-z, 0-9 and - between them: choose another with --name")
	}
	if _, err := functions.LoadOne(f.Name); err == nil {
		return Origin{}, errors.New("the catalog has a function of that name: choose another with --name")
	}
	root := filepath.Join(into.Dir, into.ISA.String())
	made, err := makeAll(root)
	if err != nil {
		return Origin{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeEmpty(made))
		}
	}()
	unlock, err := lock(root)
	if err != nil {
		return Origin{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if _, err := os.Lstat(filepath.Join(root, "functions", f.Name)); err == nil && !into.Replace {
		return Origin{}, fmt.Errorf("%w in %s: replace it with --replace or choose a --name", ErrExists, root)
	}
	scratch, err := os.MkdirTemp(root, ".import-")
	if err != nil {
		return Origin{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	w := &work{into: into, root: root, scratch: scratch}
	if origin, err = w.build(f); err != nil {
		return Origin{}, err
	}
	return origin, w.place(f.Name)
}

// work is one import under way.
type work struct {
	into          Into
	root, scratch string
	images        int
	layers        []layer // made or found
}

// layer is a directory of the guest's.
type layer struct {
	name, below string
	fresh       string // where it was made; empty: it is in place already
}

// build makes everything aside.
func (w *work) build(f Function) (Origin, error) {
	dir := filepath.Join(w.scratch, "function")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return Origin{}, err
	}
	asked, err := f.Definition.Function()
	if err != nil {
		return Origin{}, err
	}
	start, origin, err := w.image(f.Source, f.Start, asked.Port)
	if err != nil {
		return Origin{}, err
	}
	listens := map[int]string{start.Port: f.Name}
	a := functions.Adoption{Name: f.Name, Port: start.Port, MemoryMiB: start.MemoryMiB, Command: start.Args}
	if f.Dependencies != nil {
		a.Dependencies = []functions.Dependency{}
	}
	for _, d := range f.Dependencies {
		needs, from, err := w.image(d.Source, d.Start, 0)
		if err != nil {
			return Origin{}, fmt.Errorf("%s: %w", d.Name, err)
		}
		if other := listens[needs.Port]; other != "" {
			return Origin{}, fmt.Errorf("%s and %s both listen at port %d, and share a network in a guest: have one listen elsewhere, by its command or environment", other, d.Name, needs.Port)
		}
		listens[needs.Port] = d.Name
		if origin.Dependencies == nil {
			origin.Dependencies = map[string]Origin{}
		}
		origin.Dependencies[d.Name] = from
		a.Dependencies = append(a.Dependencies, functions.Dependency{Name: d.Name, Argv: needs.Args, Port: needs.Port})
		if err := w.writeJSON(filepath.Join(dir, dependenciesDir, d.Name+".json"), needs); err != nil {
			return Origin{}, err
		}
	}
	text, err := f.Definition.Adopt(a)
	if err != nil {
		return Origin{}, err
	}
	return origin, errors.Join(
		w.writeJSON(filepath.Join(dir, oci.Description), start),
		w.writeJSON(filepath.Join(dir, originFile), origin),
		write(filepath.Join(dir, catalogFile), text),
		f.Definition.Copy(dir),
		hosts(dir, f.Hosts),
	)
}

// hosts makes the names known that a function asks by: all share the loopback
// device. An image rarely has the file, which every runtime gives its containers.
func hosts(dir string, names []string) error {
	text := "127.0.0.1\tlocalhost\n"
	for _, name := range slices.Sorted(slices.Values(names)) {
		text += "127.0.0.1\t" + name + "\n"
	}
	return write(filepath.Join(dir, oci.Root, "etc", "hosts"), []byte(text))
}

func (w *work) writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return write(path, append(text, '\n'))
}

// write makes a file with the directories above it, whatever the umask.
func write(path string, text []byte) error {
	var made []string
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil {
			break
		}
		made = append(made, dir)
	}
	for _, dir := range slices.Backward(made) {
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, 0o755)); err != nil {
			return err
		}
	}
	return errors.Join(os.WriteFile(path, text, 0o644), os.Chmod(path, 0o644))
}

// place moves layers and function to where they belong. What it has moved is
// taken back if something fails.
func (w *work) place(name string) (err error) {
	var undo []func() error
	defer func() {
		if err == nil {
			return
		}
		for _, back := range slices.Backward(undo) {
			err = errors.Join(err, back())
		}
	}()
	move := func(from, to string) error {
		if err := os.Rename(from, to); err != nil {
			return err
		}
		undo = append(undo, func() error { return os.Rename(to, from) })
		return nil
	}
	for _, dir := range []string{"layers", "functions"} {
		made, err := makeAll(filepath.Join(w.root, dir))
		if err != nil {
			return err
		}
		undo = append(undo, func() error { return removeEmpty(made) })
	}
	for _, l := range w.layers {
		to := filepath.Join(w.root, "layers", l.name)
		if l.fresh == "" {
			continue
		}
		if l.below != "" { // before the layer, which is never there without it
			if err := write(l.fresh+".on", []byte(l.below+"\n")); err != nil {
				return err
			}
			if err := move(l.fresh+".on", to+".on"); err != nil {
				return err
			}
		}
		if err := move(l.fresh, to); err != nil {
			return err
		}
	}
	to := filepath.Join(w.root, "functions", name)
	if _, err := os.Lstat(to); err == nil {
		if err := move(to, filepath.Join(w.scratch, "replaced")); err != nil {
			return err
		}
	}
	return errors.Join(os.Chmod(filepath.Join(w.scratch, "function"), 0o755), move(filepath.Join(w.scratch, "function"), to))
}

// makeAll makes a directory and those above it and returns those that it made,
// the uppermost first.
func makeAll(dir string) (made []string, err error) {
	if _, err := os.Stat(dir); err == nil {
		return nil, nil
	}
	if made, err = makeAll(filepath.Dir(dir)); err != nil {
		return made, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return made, err
	}
	return append(made, dir), nil
}

// removeEmpty removes directories that hold nothing.
func removeEmpty(made []string) error {
	for _, dir := range slices.Backward(made) {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 0 {
			return err
		}
		if err := os.Remove(dir); err != nil {
			return err
		}
	}
	return nil
}

// lock keeps two imports into one directory apart; it ends with the process.
func lock(root string) (unlock func() error, err error) {
	unlock, err = filelock.Try(root)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("another import into %s is under way: wait for it", root)
	}
	return unlock, err
}
