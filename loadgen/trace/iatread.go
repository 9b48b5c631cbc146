package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"microcosm/cosim/des"
	"microcosm/loadgen"
	"microcosm/loadgen/internal/textfile"
)

// iatName matches the files of a fully resolved trace, one for each function.
var iatName = regexp.MustCompile(`^iat(\d+)\.json(\.gz)?$`)

// iatFile is one fully resolved function. In-Vitro's keys are IAT (microseconds
// since the previous invocation), PerMinuteCount, RawDuration (which only its
// own tests use) and RuntimeSpecification; HashOwner, HashApp and HashFunction
// are ours, which In-Vitro passes over.
type iatFile struct {
	path     string
	mark     int64 // offset before what is read next, to name its line
	id       identity
	timed    bool // there is an IAT
	gaps     []time.Duration
	slots    int   // length of PerMinuteCount
	counted  int64 // its sum
	runtimes []runtime
}

// runtime is one entry of RuntimeSpecification.
type runtime struct {
	Runtime int64 // milliseconds
	Memory  int64 // MiB
}

func readIAT(path string, o Options) (loadgen.Workload, error) {
	var m mistakes
	w := loadgen.Workload{Horizon: des.Time(o.Length)}
	var ends des.Time
	var identities []identity
	var functions []recorded
	dropped, total := int64(0), int64(0)
	for _, name := range iatFiles(path, &m) {
		if m.full() {
			break
		}
		f := readIATFile(name, &m)
		if f == nil {
			continue
		}
		list, end := f.resolve(o, &m)
		ends = max(ends, end)
		dropped += int64(len(f.gaps) - len(list))
		total += int64(len(f.gaps))
		identities, functions = append(identities, f.id), append(functions, list)
	}
	if total == dropped && len(m) == 0 {
		m.add(loadgen.FileError{File: path, Problem: fmt.Sprintf("holds no invocation in the window (of %d in all); choose another start and length", total)})
	}
	if err := m.join(); err != nil {
		return loadgen.Workload{}, err
	}
	if o.Length == 0 {
		w.Horizon = ends
	}
	for i, name := range uniqueNames(identities) {
		w.Functions = append(w.Functions, functions[i].function(name, identities[i]))
	}
	if dropped > 0 {
		w.Warnings = append(w.Warnings, dropWarning(path, dropped, total, "lie outside the window"))
	}
	return w, nil
}

// iatFiles returns the files of a trace in the order of their numbers.
func iatFiles(path string, m *mistakes) []string {
	info, err := os.Stat(path)
	if err != nil {
		m.add(loadgen.FileError{File: path, Problem: "no such file or directory; want a directory with iat0.json, iat1.json, …, or one such file", Err: err})
		return nil
	}
	if !info.IsDir() {
		return []string{path}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		m.add(loadgen.FileError{File: path, Problem: textfile.Problem(err), Err: err})
		return nil
	}
	numbers := map[string]int{}
	var names []string
	for _, entry := range entries {
		parts := iatName.FindStringSubmatch(entry.Name())
		if parts == nil {
			continue
		}
		number, err := strconv.Atoi(parts[1])
		if err != nil {
			continue // more digits than there can be files
		}
		numbers[entry.Name()] = number
		names = append(names, entry.Name())
	}
	slices.SortFunc(names, func(a, b string) int { return numbers[a] - numbers[b] })
	for i, name := range names {
		if numbers[name] != i {
			m.add(loadgen.FileError{File: path, Problem: fmt.Sprintf("holds %s where iat%d.json should follow; restore the missing file, or remove the one too many", name, i)})
			return nil
		}
		names[i] = filepath.Join(path, name)
	}
	if len(names) == 0 {
		m.add(loadgen.FileError{File: path, Problem: "holds no iat0.json; write one with In-Vitro's -iatGeneration"})
	}
	return names
}

// readIATFile returns nil where the file has a mistake.
func readIATFile(path string, m *mistakes) *iatFile {
	text, err := textfile.Open(path)
	if err != nil {
		m.add(loadgen.FileError{File: path, Problem: textfile.Problem(err), Err: err})
		return nil
	}
	defer func() { _ = text.Close() }() // only read from
	name := strings.TrimSuffix(filepath.Base(path), ".gz")
	f := &iatFile{path: path, id: identity{hash: strings.TrimSuffix(name, ".json")}}
	if err := f.read(json.NewDecoder(text)); err != nil {
		m.add(loadgen.FileError{File: path, Line: textfile.Line(path, f.mark), Problem: textfile.JSONProblem(err), Err: err})
		return nil
	}
	if problem := f.inconsistent(); problem != "" {
		m.add(loadgen.FileError{File: path, Problem: problem})
		return nil
	}
	return f
}

// read reads the one object that the file is to hold.
func (f *iatFile) read(d *json.Decoder) error {
	if err := f.decode(d); err != nil {
		return err
	}
	f.mark = d.InputOffset()
	switch _, err := d.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return errors.New("something follows the object; want one JSON object")
	}
}

// decode reads the object key by key and number by number, since the arrays may
// be larger than memory allows twice.
func (f *iatFile) decode(d *json.Decoder) error {
	if err := expect(d, json.Delim('{')); err != nil {
		return err
	}
	for d.More() {
		f.mark = d.InputOffset()
		token, err := d.Token()
		if err != nil {
			return err
		}
		f.mark = d.InputOffset()
		switch key := token.(string); key { // a key is a string, else Token fails
		case "IAT":
			f.timed = true
			err = f.each(d, f.addGap)
		case "PerMinuteCount":
			err = f.each(d, f.addCount)
		case "RuntimeSpecification":
			err = f.each(d, f.addRuntime)
		case "HashOwner":
			err = d.Decode(&f.id.owner)
		case "HashApp":
			err = d.Decode(&f.id.app)
		case "HashFunction":
			err = d.Decode(&f.id.hash)
		default:
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", token, err)
		}
	}
	f.mark = d.InputOffset()
	return expect(d, json.Delim('}'))
}

func expect(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err == nil && token != want {
		err = fmt.Errorf("want %q here, not %v", want.String(), token)
	}
	return err
}

// each calls add once for each element of an array, or not at all for null.
func (f *iatFile) each(d *json.Decoder, add func(*json.Decoder) error) error {
	token, err := d.Token()
	if err != nil || token == nil {
		return err
	}
	if token != json.Delim('[') {
		return fmt.Errorf("want an array here, not %v", token)
	}
	for d.More() {
		f.mark = d.InputOffset()
		if err := add(d); err != nil {
			return err
		}
	}
	f.mark = d.InputOffset()
	_, err = d.Token()
	return err
}

func (f *iatFile) addGap(d *json.Decoder) error {
	var micros float64
	if err := d.Decode(&micros); err != nil {
		return err
	}
	if !(micros >= 0 && micros*1000 < float64(latest)) {
		return fmt.Errorf("%v will not do; want microseconds from 0", micros)
	}
	f.gaps = append(f.gaps, time.Duration(math.Round(micros*1000)))
	return nil
}

func (f *iatFile) addCount(d *json.Decoder) error {
	var n int64
	if err := d.Decode(&n); err != nil {
		return err
	}
	if n < 0 || n > math.MaxInt32 {
		return fmt.Errorf("%d is not a count; want a whole number from 0 to %d", n, math.MaxInt32)
	}
	f.slots++
	f.counted += n
	return nil
}

func (f *iatFile) addRuntime(d *json.Decoder) error {
	var r runtime
	if err := d.Decode(&r); err != nil {
		return err
	}
	if r.Runtime < 0 || r.Runtime > math.MaxUint32 || r.Memory < 0 || r.Memory > math.MaxInt32 {
		return fmt.Errorf("{Runtime: %d, Memory: %d} will not do; want ms and MiB from 0", r.Runtime, r.Memory)
	}
	f.runtimes = append(f.runtimes, r)
	return nil
}

// inconsistent says what in the file does not fit together, or nothing.
func (f *iatFile) inconsistent() string {
	switch {
	case !f.timed:
		return "has no IAT; want a file that In-Vitro's -iatGeneration wrote"
	case len(f.runtimes) != len(f.gaps):
		return fmt.Sprintf("holds %d IAT but %d RuntimeSpecification; want one of each per invocation", len(f.gaps), len(f.runtimes))
	case f.slots > 0 && f.counted != int64(len(f.gaps)):
		return fmt.Sprintf("PerMinuteCount adds up to %d, but there are %d IAT", f.counted, len(f.gaps))
	}
	return ""
}

// resolve returns the invocations within the window and the end of the trace.
func (f *iatFile) resolve(o Options, m *mistakes) (recorded, des.Time) {
	list := make(recorded, 0, len(f.gaps))
	at, limit := des.Time(0), des.End
	if o.Length > 0 {
		limit = des.Time(o.Start).Add(o.Length)
	}
	for i, gap := range f.gaps {
		if at = at.Add(gap); at > latest {
			m.add(loadgen.FileError{File: f.path, Problem: fmt.Sprintf("invocation %d comes more than 146 years after the start", i)})
			return nil, 0
		}
		if at >= des.Time(o.Start) && at < limit {
			list = append(list, invocation{at: at - des.Time(o.Start), millis: uint32(f.runtimes[i].Runtime), memoryMiB: uint32(f.runtimes[i].Memory)})
		}
	}
	end := des.Time(f.slots) * des.Time(o.Granularity.slot())
	if len(f.gaps) > 0 && at >= end {
		end = wholeMinutes(at + 1)
	}
	return slices.Clip(list), max(0, end-des.Time(o.Start))
}
