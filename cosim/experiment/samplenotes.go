package experiment

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"microcosm/cosim/servicetime"
	"microcosm/loadgen"
)

// gapMargin is the error of interpolation, beyond noise, from which a report
// speaks of it.
const gapMargin = .05

// interpolating is a law that can judge itself between its samples.
type interpolating interface {
	servicetime.Resampler
	LeaveOneOut(random func(b int) func(stream string) *rand.Rand) []servicetime.LeftOut
	Smoothed() []servicetime.Condition
}

// sampleNotes says how far the samples carry the answers between and beside
// them: which conditions were pooled, and where the interpolation is off.
func (p *plan) sampleNotes(interpolated bool) []string {
	if p.scenario.Fidelity.Penalty == 0 {
		return nil // every call is warm
	}
	var notes []string
	for _, law := range p.resamplers() {
		known, ok := sampled(law).(interpolating)
		if !ok || len(law.Cells()) == 0 {
			continue
		}
		r := law.Cells()[0].Request
		where := r.Function + " on " + r.Platform
		if pooled := known.Smoothed(); len(pooled) > 0 {
			notes = append(notes, where+": deeper conditions came out faster, so that neighbours were pooled (isotonic regression): "+conditionWords(pooled)+"; more samples would separate them")
		}
		if !interpolated {
			continue
		}
		for _, o := range known.LeaveOneOut(p.gapStreams()) {
			if o.Off(gapMargin) {
				notes = append(notes, fmt.Sprintf("%s: without its samples, %s would be interpolated %+.0f %% off (± %.0f %% of noise)%s",
					where, o.Condition, 100*o.Error, 200*o.Deviation, remedy(r, o)))
			}
		}
	}
	return notes
}

func (p *plan) gapStreams() func(int) func(string) *rand.Rand {
	return func(b int) func(string) *rand.Rand {
		seed := resampleSeed(p.scenario.Seed, b)
		return func(stream string) *rand.Rand { return loadgen.Rand(seed, stream) }
	}
}

func remedy(r servicetime.Request, o servicetime.LeftOut) string {
	if o.Next.Kind == servicetime.Invalid {
		return ""
	}
	missing := &servicetime.NotSampledError{Request: r, Condition: o.Next}
	return ": measure between with " + missing.Command()
}

func conditionWords(list []servicetime.Condition) string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = c.String()
	}
	return strings.Join(words, ", ")
}
