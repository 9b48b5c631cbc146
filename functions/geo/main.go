// Command geo serves the hotels near a place. It reads all places from the database
// when it starts and searches them in memory, as vSwarm's function does.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"

	"google.golang.org/grpc"

	"microcosm/functions/internal/hotel"
	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/geopb"
)

const (
	radiusKm = 10
	most     = 5
	cellKm   = 0.5
)

func main() {
	serve.MainAfter(hotel.Port, func(ctx context.Context) ([]serve.Service, error) {
		g, err := open(ctx)
		return []serve.Service{{Name: "geo.Geo", Methods: []grpc.MethodDesc{serve.Unary("Nearby", g.nearby)}}}, err
	})
}

// cell is a square of the grid over the earth.
type cell struct{ north, east int }

// grid finds places by the cell they are in.
type grid map[cell][]hotel.Place

func open(ctx context.Context) (grid, error) {
	store, err := hotel.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range hotel.Places() {
		if err := store.Put(ctx, "geo", p.ID, p); err != nil {
			return nil, err
		}
	}
	g := grid{}
	return g, store.All(ctx, "geo", func(document []byte) error {
		var p hotel.Place
		err := json.Unmarshal(document, &p)
		c := cellOf(p.Lat, p.Lon)
		g[c] = append(g[c], p)
		return err
	})
}

const degreeKm = 111.195 // of latitude: the circumference of a sphere of 6371 km / 360

// cellOf divides both coordinates alike, so cells are narrower than high.
func cellOf(lat, lon float64) cell {
	return cell{int(math.Floor(lat * degreeKm / cellKm)), int(math.Floor(lon * degreeKm / cellKm))}
}

func (g grid) nearby(_ context.Context, q *pb.Request) (*pb.Result, error) {
	lat, lon := float64(q.GetLat()), float64(q.GetLon())
	result := &pb.Result{}
	for _, f := range g.nearest(lat, lon) {
		result.HotelIds = append(result.HotelIds, f.ID)
	}
	return result, nil
}

type found struct {
	hotel.Place
	km float64
}

// nearest looks at rings of cells around a place until no closer hotel can come.
// It does not look across the poles nor the date line.
func (g grid) nearest(lat, lon float64) []found {
	// What lies beyond n rings is farther than n cells are wide. A tenth of a degree
	// north or south changes the width by less than a hundredth.
	width := 0.99 * cellKm * max(math.Cos(lat*math.Pi/180), 0.05)
	var list []found
	centre := cellOf(lat, lon)
	for ring := 0; float64(ring-1)*width <= radiusKm; ring++ {
		if len(list) >= most && list[most-1].km < float64(ring-1)*width {
			break
		}
		before := len(list)
		centre.ring(ring, func(c cell) {
			for _, p := range g[c] {
				if km := hotel.Kilometres(lat, lon, p.Lat, p.Lon); km <= radiusKm {
					list = append(list, found{p, km})
				}
			}
		})
		if len(list) > before {
			slices.SortFunc(list, func(a, b found) int { return cmp.Compare(a.km, b.km) })
		}
	}
	return list[:min(most, len(list))]
}

// ring calls look with every cell that is n cells away.
func (c cell) ring(n int, look func(cell)) {
	if n == 0 {
		look(c)
		return
	}
	for d := -n; d <= n; d++ {
		look(cell{c.north + n, c.east + d})
		look(cell{c.north - n, c.east + d})
	}
	for d := -n + 1; d < n; d++ {
		look(cell{c.north + d, c.east + n})
		look(cell{c.north + d, c.east - n})
	}
}
