package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"microcosm/functions"
	"microcosm/images"
	"microcosm/images/archive"
	"microcosm/images/cache"
	"microcosm/images/imported"
	"microcosm/images/isa"
	"microcosm/images/pack"
)

func (a *app) imagesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "images",
		Short: "Take container images in as functions of the guest, and give functions out as images",
	}
	c.AddCommand(a.imagesImport(), a.imagesPack(), a.imagesList())
	needVerb(c)
	return c
}

// importFlags are those of images import.
type importFlags struct {
	isa, staged             string
	name, image, definition string
	likes, archives         []string
	command                 []string
	port                    int
	replace                 bool
}

func (a *app) imagesImport() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "import FILE...",
		Short: "Make functions of image archives, or of a compose file whose images are archives",
		Long: `import takes container images unmodified: archives of docker save, podman
save, skopeo or buildx, plain or gzipped. With a compose file each service that
is like a function of the catalog becomes a function, the services that it
depends on are started with it, and the archives beside the file hold the images.

An image does not say what is sent to it and what it must answer. That is taken
from a function of the catalog: the one that the image is named after, or the one
that --like names; or from a function.yaml of yours.

The result lies in DIR/ISA, for make -C images STAGED=DIR.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error { return a.importImages(f, files) },
	}
	flags := c.Flags()
	flags.StringVar(&f.isa, "isa", "x86_64", "instruction set: x86_64 or arm64")
	flags.StringVar(&f.staged, "staged", "staged", "the directory to import into")
	flags.StringVar(&f.name, "name", "", "the function's name (default: that of the function it is like, with -imported)")
	flags.StringVar(&f.image, "image", "", "which image, where an archive holds several")
	flags.StringVar(&f.definition, "function", "", "a function.yaml that says what is sent to it and what it must answer")
	flags.StringArrayVar(&f.likes, "like", nil, "the function of the catalog whose inputs and replies it has; with a compose file SERVICE=FUNCTION")
	flags.StringArrayVar(&f.archives, "archive", nil, "SERVICE=ARCHIVE: the image of a service, where the archive does not name it")
	flags.StringSliceVar(&f.command, "command", nil, "what to start instead of what the image says, separated by commas")
	flags.IntVar(&f.port, "port", 0, "where it listens (default: the port that the image exposes, else that of the function it is like)")
	flags.BoolVar(&f.replace, "replace", false, "replace a function of the same name")
	return c
}

func (a *app) importImages(f importFlags, files []string) (err error) {
	i, err := isa.Parse(f.isa)
	if err != nil {
		return usageError{err}
	}
	var archives []*archive.Archive
	defer func() {
		for _, open := range archives {
			err = errors.Join(err, open.Close())
		}
	}()
	var compose string
	var wrong []error
	for _, file := range files {
		if ext := filepath.Ext(file); ext == ".yaml" || ext == ".yml" {
			if compose != "" {
				wrong = append(wrong, usage("%s and %s are both compose files: import one at a time", compose, file))
			}
			compose = file
			continue
		}
		open, err := archive.Open(file)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		archives = append(archives, open)
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	into := imported.Into{Dir: f.staged, ISA: i, Replace: f.replace}
	var list []imported.Function
	if compose == "" {
		list, err = f.single(archives)
	} else {
		list, archives, err = f.composed(compose, archives)
	}
	if err != nil {
		return err
	}
	for _, function := range list {
		origin, err := imported.Import(into, function)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s\t%s\t%s\n", function.Name, i, origin.Image)
	}
	return nil
}

// single makes one function of one archive.
func (f importFlags) single(archives []*archive.Archive) ([]imported.Function, error) {
	var wrong []error
	if len(archives) != 1 || len(f.archives) > 0 {
		wrong = append(wrong, usage("import one archive at a time, or name a compose file that joins them"))
	}
	if len(f.likes) > 1 || len(f.likes) == 1 && f.definition != "" {
		wrong = append(wrong, usage("an image is asked what one function is: say --like or --function, once"))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	d, like, err := f.define(archives[0])
	if err != nil {
		return nil, err
	}
	asked, err := d.Function()
	if err != nil {
		return nil, err
	}
	start := imported.Start{Port: f.port}
	if f.command != nil {
		start.Entrypoint = f.command
	}
	name := f.name
	switch {
	case name != "":
	case like != "":
		name = like + "-imported"
	default:
		name = asked.Name
	}
	return []imported.Function{{Name: name, Source: imported.Source{Archive: archives[0], Image: f.image}, Start: start, Definition: d}}, nil
}

// define finds what is asked of an image, and the catalog's function that it is
// like.
func (f importFlags) define(from *archive.Archive) (functions.Definition, string, error) {
	if f.definition != "" {
		d, err := functions.ReadDefinition(f.definition)
		return d, "", err
	}
	if len(f.likes) == 1 {
		d, err := functions.Defined(f.likes[0])
		return d, f.likes[0], err
	}
	if f.image != "" && !slices.ContainsFunc(from.Images(), func(e archive.Entry) bool { return e.Named(f.image) }) {
		return functions.Definition{}, "", usage("--image %s: the archive holds no image of that name", f.image)
	}
	catalog, err := functions.Load()
	if err != nil {
		return functions.Definition{}, "", err
	}
	for _, e := range from.Images() {
		for _, name := range e.Names {
			if like, ok := catalog.Like(&functions.Service{Image: name}); ok && (f.image == "" || e.Named(f.image)) {
				d, err := functions.Defined(like)
				return d, like, err
			}
		}
	}
	return functions.Definition{}, "", usage("no function of the catalog is named as the image: say with --like which it is like, or with --function what is sent to it")
}

// composed makes a function of each service that is like one of the catalog. It
// returns the archives with those it opened.
func (f importFlags) composed(file string, archives []*archive.Archive) ([]imported.Function, []*archive.Archive, error) {
	if f.name != "" || f.image != "" || f.definition != "" || f.command != nil || f.port != 0 {
		return nil, archives, usage("--name, --image, --function, --command and --port are for a single archive; a compose file says all this itself")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, archives, err
	}
	compose, err := functions.ReadCompose(file, text)
	if err != nil {
		return nil, archives, usageError{err}
	}
	own := map[string]*archive.Archive{}
	for _, pair := range f.archives {
		service, path, ok := strings.Cut(pair, "=")
		if _, known := compose.Service(service); !ok || !known {
			return nil, archives, usage("--archive %s: want SERVICE=ARCHIVE with a service of %s", pair, file)
		}
		open, err := archive.Open(path)
		if err != nil {
			return nil, archives, err
		}
		archives = append(archives, open)
		own[service] = open
	}
	likes, err := f.likings(compose)
	if err != nil {
		return nil, archives, err
	}
	j := joiner{compose, archives, own}
	var list []imported.Function
	var wrong []error
	for _, s := range compose.Services {
		if like := likes[s.Name]; like != "" {
			function, err := j.function(&s, like)
			wrong = append(wrong, err)
			list = append(list, function)
		}
	}
	if len(list) == 0 {
		wrong = append(wrong, usage("%s: no service is named as a function of the catalog: say --like SERVICE=FUNCTION", file))
	}
	return list, archives, errors.Join(wrong...)
}

// likings returns, by service, the catalog's function that it is like.
func (f importFlags) likings(compose *functions.Compose) (map[string]string, error) {
	catalog, err := functions.Load()
	if err != nil {
		return nil, err
	}
	likes := map[string]string{}
	for i := range compose.Services {
		s := &compose.Services[i]
		likes[s.Name], _ = catalog.Like(s)
	}
	for _, pair := range f.likes {
		service, like, ok := strings.Cut(pair, "=")
		if _, known := likes[service]; !ok || !known {
			return nil, usage("--like %s: want SERVICE=FUNCTION with a service of %s", pair, compose.File)
		}
		if _, err := catalog.Lookup(like); err != nil {
			return nil, usageError{err}
		}
		likes[service] = like
	}
	return likes, nil
}

// joiner joins services with the archives that hold their images.
type joiner struct {
	compose  *functions.Compose
	archives []*archive.Archive
	own      map[string]*archive.Archive // by service
}

func (j joiner) function(s *functions.Service, like string) (imported.Function, error) {
	d, err := functions.Defined(like)
	if err != nil {
		return imported.Function{}, err
	}
	asked, err := d.Function()
	if err != nil {
		return imported.Function{}, err
	}
	f := imported.Function{Name: strings.ReplaceAll(s.Name, "_", "-") + "-imported", Definition: d, Start: start(s), Dependencies: []imported.Dependency{}}
	if f.Start.Port == 0 {
		f.Start.Port = asked.Port // vSwarm's files do not publish it
	}
	var wrong []error
	if f.Source, err = j.source(s); err != nil {
		wrong = append(wrong, err)
	}
	for _, name := range j.compose.Relative(s.Name) {
		needed, _ := j.compose.Service(name)
		from, err := j.source(needed)
		wrong = append(wrong, err)
		f.Dependencies = append(f.Dependencies, imported.Dependency{Name: strings.ReplaceAll(name, "_", "-"), Source: from, Start: start(needed)})
		f.Hosts = append(f.Hosts, name)
		if needed.Container != "" && needed.Container != name {
			f.Hosts = append(f.Hosts, needed.Container)
		}
	}
	return f, errors.Join(wrong...)
}

func start(s *functions.Service) imported.Start {
	port := 0
	if len(s.Ports) > 0 {
		port = s.Ports[0]
	}
	return imported.Start{Entrypoint: s.Entry, Command: s.Command, Env: s.Env, Dir: s.Dir, User: s.User, MemoryMiB: s.MemoryMiB, Port: port}
}

// source finds the archive that holds a service's image.
func (j joiner) source(s *functions.Service) (imported.Source, error) {
	if own := j.own[s.Name]; own != nil {
		return imported.Source{Archive: own}, nil
	}
	for _, open := range j.archives {
		if slices.ContainsFunc(open.Images(), func(e archive.Entry) bool { return e.Named(s.Image) }) {
			return imported.Source{Archive: open, Image: s.Image}, nil
		}
	}
	return imported.Source{}, fmt.Errorf("%s:%d: no archive holds %s: docker save %s -o FILE and add FILE, or say --archive %s=FILE",
		j.compose.File, s.Line, s.Image, s.Image, s.Name)
}

func (a *app) imagesPack() *cobra.Command {
	var words []string
	var root, out string
	c := &cobra.Command{
		Use:   "pack FUNCTION",
		Short: "Write a function of the catalog as an image archive, the same to the byte each time",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			catalog, err := functions.Load()
			if err != nil {
				return err
			}
			f, err := catalog.Lookup(args[0])
			if err != nil {
				return usageError{err}
			}
			if out == "" {
				out = f.Name + ".tar"
			}
			var list []pack.Image
			wrong := []error{checkArchive(out, f)}
			for _, word := range words {
				i, err := packed(c.Context(), f, word, root, len(words) > 1)
				wrong = append(wrong, err)
				list = append(list, i)
			}
			if err := errors.Join(wrong...); err != nil {
				return err
			}
			digests, err := pack.Write(out, list...)
			if err != nil {
				return err
			}
			for n, d := range digests {
				fmt.Fprintf(a.out, "%s\t%s\t%s\t%s\n", out, pack.Name(f), list[n].ISA, d)
			}
			return nil
		},
	}
	flags := c.Flags()
	flags.StringSliceVar(&words, "isa", []string{"x86_64"}, "instruction sets: x86_64, arm64")
	flags.StringVar(&root, "functions", "bin/functions", "where functions are installed; for several ISAs it has a folder for each")
	flags.StringVar(&out, "out", "", "the archive (default: FUNCTION.tar)")
	return c
}

// checkArchive refuses to replace a file that holds anything but images of the
// function.
func checkArchive(path string, f *functions.Function) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	foreign := fmt.Errorf("%s exists and is no archive of %s; it is left alone: name another file with --out", path, pack.Name(f))
	there, err := archive.Open(path)
	if err != nil {
		return foreign
	}
	other := slices.ContainsFunc(there.Images(), func(e archive.Entry) bool { return !e.Named(pack.Name(f)) })
	if err := there.Close(); err != nil {
		return err
	}
	if other {
		return foreign
	}
	return nil
}

// packed returns what is packed of a function for one ISA. Go's programs stand on
// nothing; others on the layers that they stand on in a guest.
func packed(ctx context.Context, f *functions.Function, word, root string, several bool) (pack.Image, error) {
	i, err := isa.Parse(word)
	if err != nil {
		return pack.Image{}, usageError{err}
	}
	if several {
		root = filepath.Join(root, word)
	}
	image := pack.Image{Function: f, ISA: i, Dir: filepath.Join(root, f.Name)}
	if _, err := os.Stat(image.Dir); err != nil {
		return pack.Image{}, fmt.Errorf("%s: %w in %s: make -C functions install GOARCH=%s DESTDIR=%s", f.Name, functions.ErrNotInstalled, root, i.GoArch(), root)
	}
	if f.Runtime == functions.Go {
		return image, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return pack.Image{}, fmt.Errorf("no place for the cache: %w; set XDG_CACHE_HOME", err)
	}
	c, err := cache.Open(filepath.Join(base, "microcosm"))
	if err != nil {
		return pack.Image{}, err
	}
	image.Base, err = images.LayerDirs(ctx, images.Options{ISA: i, Cache: c}, f)
	return image, err
}

func (a *app) imagesList() *cobra.Command {
	var staged string
	c := &cobra.Command{
		Use: "list", Short: "List the functions that were imported", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			list, err := imported.List(staged)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(a.out, list)
			}
			table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "FUNCTION\tISA\tPORT\tMIB\tLAYERS\tNEEDS\tIMAGE\tNAMES")
			for _, f := range list {
				fmt.Fprintf(table, "%s\t%s\t%d\t%.1f\t%d\t%s\t%.19s\t%s\n", f.Name, f.ISA, f.Port, float64(f.Bytes)/(1<<20), len(f.Origin.Layers),
					strings.Join(f.Needs(), ","), f.Origin.Image, strings.Join(f.Origin.Names, ","))
			}
			return table.Flush()
		},
	}
	c.Flags().StringVar(&staged, "staged", "staged", "the directory that functions were imported into")
	return c
}
