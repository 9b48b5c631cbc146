// Package machines reads how machines come and go: the core schedules of Harvest
// VMs, survival curves, and In-Vitro's failure.json.
//
// It reports every mistake of a file at once, each with its line. It does not
// simulate anything.
package machines

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// Step is a time with a number of cores.
type Step struct {
	For   time.Duration
	Cores int
}

// ReadSchedule reads a core schedule: CSV with the columns seconds and cores, in
// order of time. Lines that begin with # are comments.
func ReadSchedule(path string) ([]Step, error) {
	var steps []Step
	err := readRows(path, "seconds,cores", func(seconds, cores float64) error {
		switch {
		case seconds <= 0 || seconds > maxSeconds:
			return fmt.Errorf("%g seconds: want more than 0 and at most %g", seconds, float64(maxSeconds))
		case cores < 0 || cores > 1024 || cores != math.Trunc(cores):
			return fmt.Errorf("%g cores: want a whole number from 0 to 1024", cores)
		}
		steps = append(steps, Step{For: duration(seconds), Cores: int(cores)})
		return nil
	})
	if err == nil && len(steps) == 0 {
		err = fmt.Errorf("%s: the schedule is empty", path)
	}
	return steps, err
}

// maxSeconds keeps sums of times within a Duration.
const maxSeconds = 1e8

func duration(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }

// Survival is the probability to live longer than a time. Between its points the
// hazard is constant; beyond the last one it is the mean hazard until there, or
// nobody lives if that point is at 0.
type Survival struct {
	ages    []float64 // seconds, ascending, the first is 0
	hazards []float64 // cumulated until each age: −ln S
}

// ReadSurvival reads a survival curve, such as a Kaplan-Meier estimate: CSV with
// the columns seconds and survival, from 1 downwards.
func ReadSurvival(path string) (*Survival, error) {
	s := &Survival{ages: []float64{0}, hazards: []float64{0}}
	err := readRows(path, "seconds,survival", func(age, survival float64) error {
		last := len(s.ages) - 1
		switch {
		case age < 0 || age > maxSeconds || survival < 0 || survival > 1:
			return fmt.Errorf("a survival of %g after %g seconds: want a share from 0 to 1 after at most %g", survival, age, float64(maxSeconds))
		case age == 0 && survival == 1 && last == 0:
			return nil
		case age <= s.ages[last]:
			return fmt.Errorf("%g seconds follow %g: want ascending times", age, s.ages[last])
		case -math.Log(survival) < s.hazards[last]-1e-12:
			return fmt.Errorf("a survival of %g follows %g: nobody comes back to life", survival, math.Exp(-s.hazards[last]))
		}
		s.ages = append(s.ages, age)
		s.hazards = append(s.hazards, max(s.hazards[last], -math.Log(survival)))
		return nil
	})
	if last := len(s.ages) - 1; err == nil && (last == 0 || s.hazards[last] == 0) {
		err = fmt.Errorf("%s: nobody ever dies: want at least one point below 1", path)
	}
	return s, err
}

// Quantile returns the age that a life of luck u in [0, 1) reaches.
func (s *Survival) Quantile(u float64) time.Duration {
	hazard, last := -math.Log1p(-u), len(s.ages)-1
	for i := 1; i <= last; i++ {
		if hazard >= s.hazards[i] {
			continue
		}
		if math.IsInf(s.hazards[i], 1) { // all die by then: at an even rate
			alive, dying := math.Exp(-s.hazards[i-1]), 1-u
			return duration(s.ages[i] - (s.ages[i]-s.ages[i-1])*dying/alive)
		}
		share := (hazard - s.hazards[i-1]) / (s.hazards[i] - s.hazards[i-1])
		return duration(s.ages[i-1] + share*(s.ages[i]-s.ages[i-1]))
	}
	return duration(min(maxSeconds, hazard*s.ages[last]/s.hazards[last]))
}

// Mean returns the mean life, by the trapezoid rule over the luck.
func (s *Survival) Mean() time.Duration {
	const n = 10_000
	sum := 0.
	for i := range n {
		sum += s.Quantile((float64(i) + .5) / n).Seconds()
	}
	return duration(sum / n)
}

// At returns the probability to live longer than the age.
func (s *Survival) At(age time.Duration) float64 {
	x, last := age.Seconds(), len(s.ages)-1
	for i := 1; i <= last; i++ {
		if x >= s.ages[i] {
			continue
		}
		share := (x - s.ages[i-1]) / (s.ages[i] - s.ages[i-1])
		if math.IsInf(s.hazards[i], 1) {
			return math.Exp(-s.hazards[i-1]) * (1 - share)
		}
		return math.Exp(-(s.hazards[i-1] + share*(s.hazards[i]-s.hazards[i-1])))
	}
	return math.Exp(-x * s.hazards[last] / s.ages[last])
}

// Failure is what In-Vitro's failure.json asks for.
type Failure struct {
	Node string // empty: none fails
	At   time.Duration
}

// ReadFailure reads In-Vitro's failure.json. The failure of a control or data
// plane is refused, as these do not run on nodes of the cluster here.
func ReadFailure(path string) (Failure, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Failure{}, err
	}
	var f struct {
		FailureEnabled bool
		FailAt         float64
		FailComponent  string
		FailNode       string
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return Failure{}, fmt.Errorf("%s: not In-Vitro's failure.json: %w", path, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Failure{}, fmt.Errorf("%s: not In-Vitro's failure.json: something follows the end", path)
	}
	if !f.FailureEnabled {
		return Failure{}, nil
	}
	var mistakes []error
	if f.FailComponent != "worker_node" {
		mistakes = append(mistakes, fmt.Errorf("%s: FailComponent %q is not simulated: want worker_node", path, f.FailComponent))
	}
	if f.FailNode == "" {
		mistakes = append(mistakes, fmt.Errorf("%s: FailNode is empty: name the node that fails, such as node-0", path))
	}
	if f.FailAt < 0 || f.FailAt > maxSeconds {
		mistakes = append(mistakes, fmt.Errorf("%s: FailAt is %g: want seconds from the start, from 0 to %g", path, f.FailAt, float64(maxSeconds)))
	}
	return Failure{Node: f.FailNode, At: duration(f.FailAt)}, errors.Join(mistakes...)
}

// maxMistakes bounds what is said about one file.
const maxMistakes = 20

// readRows reads a CSV file of two numbers per line below the given header.
func readRows(path, header string, row func(a, b float64) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from
	return scanRows(path, file, header, row)
}

func scanRows(path string, text io.Reader, header string, row func(a, b float64) error) error {
	var mistakes []error
	wrong := func(line int, err error) { mistakes = append(mistakes, fmt.Errorf("%s:%d: %w", path, line, err)) }
	scanner, headed, line := bufio.NewScanner(text), false, 0
	for scanner.Scan() && len(mistakes) < maxMistakes {
		line++
		content := strings.TrimSpace(scanner.Text())
		switch {
		case content == "" || content[0] == '#':
			continue
		case !headed:
			if headed = true; content != header {
				wrong(line, fmt.Errorf("the header is %q, want %q", content, header))
				return errors.Join(mistakes...)
			}
			continue
		}
		a, b, err := twoNumbers(content)
		if err == nil {
			err = row(a, b)
		}
		if err != nil {
			wrong(line, err)
		}
	}
	if err := scanner.Err(); err != nil {
		wrong(line+1, err)
	}
	if !headed {
		wrong(1, fmt.Errorf("the header %q is missing", header))
	}
	return errors.Join(mistakes...)
}

func twoNumbers(content string) (a, b float64, err error) {
	first, second, found := strings.Cut(content, ",")
	a, wrongA := strconv.ParseFloat(strings.TrimSpace(first), 64)
	b, wrongB := strconv.ParseFloat(strings.TrimSpace(second), 64)
	if !found || wrongA != nil || wrongB != nil || math.IsNaN(a+b) || math.IsInf(a+b, 0) {
		return 0, 0, fmt.Errorf("%q is not two numbers with a comma between them", content)
	}
	return a, b, nil
}
