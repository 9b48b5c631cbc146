package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/functions/internal/hotel"
)

// What the index finds is what going through all places finds.
func TestNearestIsWhatASearchThroughAllFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lat := rapid.Float64Range(-80, 80).Draw(t, "lat")
		lon := rapid.Float64Range(-170, 170).Draw(t, "lon")
		spread := rapid.SampledFrom([]float64{0.001, 0.02, 0.2}).Draw(t, "spread")
		g := grid{}
		var near []float64
		for range rapid.IntRange(0, 40).Draw(t, "places") {
			p := hotel.Place{
				Lat: lat + rapid.Float64Range(-spread, spread).Draw(t, "north"),
				Lon: lon + rapid.Float64Range(-spread, spread).Draw(t, "east"),
			}
			c := cellOf(p.Lat, p.Lon)
			g[c] = append(g[c], p)
			if km := hotel.Kilometres(lat, lon, p.Lat, p.Lon); km <= radiusKm {
				near = append(near, km)
			}
		}
		slices.Sort(near)
		var got []float64
		for _, f := range g.nearest(lat, lon) {
			got = append(got, f.km)
		}
		require.Equal(t, near[:min(most, len(near))], got)
	})
}

func TestARingIsWhatIsNCellsAway(t *testing.T) {
	t.Parallel()
	for n := range 5 {
		seen := map[cell]int{}
		cell{10, 20}.ring(n, func(c cell) { seen[c]++ })
		require.Len(t, seen, max(1, 8*n))
		for c, times := range seen {
			require.Equal(t, 1, times)
			require.Equal(t, n, max(abs(c.north-10), abs(c.east-20)))
		}
	}
}

func abs(n int) int { return max(n, -n) }
