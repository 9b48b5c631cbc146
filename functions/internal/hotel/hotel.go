// Package hotel is the data of the hotel functions: eighty hotels with their
// places, descriptions, rooms, rates and ranks, and five hundred users. The
// functions load it into their databases; the checks compute from it what a reply
// must be. Shapes and amounts are those of vSwarm's hotel application.
package hotel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"

	"microcosm/functions/proto/profilepb"
	"microcosm/functions/proto/ratepb"
)

// Number is how many hotels there are; their ids are 1 to Number.
const Number = 80

// A Place is where a hotel stands.
type Place struct {
	ID       string
	Lat, Lon float64
}

// A Rank is what hotels are recommended by.
type Rank struct {
	Place
	Rate, Price float64
}

// A User is a name and the SHA-256 of its password in hex.
type User struct {
	Username, Password string
}

// A Reservation is a number of rooms for one night.
type Reservation struct {
	Hotel, Customer, In, Out string
	Rooms                    int
}

// The six hotels that are written out.
var first = []struct {
	name, street, number, phone, postcode, about string
	lat, lon, rate, price                        float64
}{
	{"Harbour House", "Geary St", "495", "(415) 555-4700", "94102", "Six minutes on foot from the square and four from the tram, this old house has tall rooms, a library with a fireplace, a bar that opens late, and a collection of clocks that all show another time.", 37.7867, -122.4112, 109, 150},
	{"The Cartographer", "3rd St", "181", "(415) 555-5300", "94103", "Less than a block from the museum, this modern hotel keeps a map of the city in every room and a good kitchen below.", 37.7854, -122.4005, 139, 120},
	{"Hotel Meridian", "5th St", "55", "(415) 555-8555", "94103", "Three minutes from the cable car's turning place, this lively hotel mixes wide beds with a games room, a terrace and a breakfast that many come for.", 37.7834, -122.4071, 109, 190},
	{"Pier Eight", "Mission St", "8", "(415) 555-3700", "94105", "On the waterfront with a view of the bridge, three blocks from the banks and four minutes from the ferry.", 37.7936, -122.3930, 129, 160},
	{"Motor Lodge Phoebe", "Eddy St", "601", "(415) 555-1380", "94109", "Ten minutes from the station, this lodge around a pool has been home to touring musicians since its neon sign was new. The concert hall next door is a short walk away, and nobody minds a guitar in the yard.", 37.7831, -122.4181, 119, 140},
	{"Tower of the South", "3rd St", "125", "(415) 555-4000", "94109", "A tower of forty-two floors in the museum quarter, beside the gardens and the congress halls, with a pool on the fourth floor, a spa, and rooms from which both the bay and the hills can be seen on a clear day.", 37.7863, -122.4015, 149, 200},
}

// place of the hotels that are generated: northeast in a straight line.
func place(i int) (lat, lon float64) {
	if i <= len(first) {
		return first[i-1].lat, first[i-1].lon
	}
	return 37.7835 + float64(i)/500*3, -122.41 + float64(i)/500*4
}

// Places are all hotels in the order of their numbers.
func Places() []Place {
	list := make([]Place, Number)
	for i := range list {
		lat, lon := place(i + 1)
		list[i] = Place{ID: fmt.Sprint(i + 1), Lat: lat, Lon: lon}
	}
	return list
}

// Profiles are the descriptions of all hotels in the order of their numbers.
func Profiles() []*profilepb.Hotel {
	list := make([]*profilepb.Hotel, Number)
	for i := range list {
		h := first[min(i, len(first)-1)]
		lat, lon := place(i + 1)
		phone := h.phone
		if i >= len(first) {
			phone = fmt.Sprintf("(415) 555-40%d", i+1)
		}
		list[i] = &profilepb.Hotel{
			Id: fmt.Sprint(i + 1), Name: h.name, PhoneNumber: phone, Description: h.about,
			Address: &profilepb.Address{
				StreetNumber: h.number, StreetName: h.street, City: "San Francisco", State: "CA",
				Country: "United States", PostalCode: h.postcode, Lat: float32(lat), Lon: float32(lon),
			},
		}
	}
	return list
}

// fifths are the rate and the price of generated hotels by their number modulo 5.
var fifths = [5][2]float64{{109, 123.17}, {120, 140}, {124, 144}, {132, 158}, {232, 258}}

// Ranks are all hotels in the order of their numbers.
func Ranks() []Rank {
	list := make([]Rank, Number)
	for i, p := range Places() {
		rate, price := 135.0, 179.0
		switch n := i + 1; {
		case i < len(first):
			rate, price = first[i].rate, first[i].price
		case n%3 == 0:
			rate, price = fifths[n%5][0], fifths[n%5][1]
		}
		list[i] = Rank{Place: p, Rate: rate, Price: price}
	}
	return list
}

// Plans are the rate plans there are: one of hotels 1 to 3 and of every third of the
// generated ones.
func Plans() []*ratepb.RatePlan {
	plan := func(n int, out, code, about string, rate, inclusive float64) *ratepb.RatePlan {
		return &ratepb.RatePlan{
			HotelId: fmt.Sprint(n), Code: "RACK", InDate: "2015-04-09", OutDate: out,
			RoomType: &ratepb.RoomType{BookableRate: rate, TotalRate: rate, TotalRateInclusive: inclusive, Code: code, RoomDescription: about},
		}
	}
	list := []*ratepb.RatePlan{
		plan(1, "2015-04-10", "KNG", "King sized bed", 109, 123.17),
		plan(2, "2015-04-10", "QN", "Queen sized bed", 139, 153.09),
		plan(3, "2015-04-10", "KNG", "King sized bed", 109, 123.17),
	}
	for n := 9; n <= Number; n += 3 {
		out := "2015-04-24"
		if n%2 == 0 {
			out = "2015-04-17"
		}
		list = append(list, plan(n, out, "KNG", "King sized bed", fifths[n%5][0], fifths[n%5][1]))
	}
	return list
}

// Rooms is how many rooms hotel n has.
func Rooms(n int) int {
	switch {
	case n == 2:
		return 10
	case n > len(first) && n%3 == 1:
		return 300
	case n > len(first) && n%3 == 2:
		return 250
	}
	return 200
}

// Taken is the reservation that is there from the start.
func Taken() Reservation {
	return Reservation{Hotel: "4", Customer: "Alice", In: "2015-04-09", Out: "2015-04-10", Rooms: 1}
}

// Users are hello, whose password is hello, and user_1 to user_499 with pass_1 to
// pass_499.
func Users() []User {
	list := []User{{"hello", Hash("hello")}}
	for i := 1; i < 500; i++ {
		list = append(list, User{fmt.Sprintf("user_%d", i), Hash(fmt.Sprintf("pass_%d", i))})
	}
	return list
}

// Hash is the SHA-256 of a password in hex.
func Hash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// Kilometres is the great-circle distance by the haversine formula.
// R. W. Sinnott, Virtues of the haversine, Sky and Telescope 68(2), 1984.
func Kilometres(lat1, lon1, lat2, lon2 float64) float64 {
	const radius, degree = 6371, math.Pi / 180
	north, east := (lat2-lat1)*degree, (lon2-lon1)*degree
	a := math.Sin(north/2)*math.Sin(north/2) +
		math.Cos(lat1*degree)*math.Cos(lat2*degree)*math.Sin(east/2)*math.Sin(east/2)
	return 2 * radius * math.Asin(math.Sqrt(min(1, a)))
}
