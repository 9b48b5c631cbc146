// Command user serves the check of a password: its SHA-256 is compared with the one
// in the database.
package main

import (
	"context"

	"google.golang.org/grpc"

	"microcosm/functions/internal/hotel"
	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/userpb"
)

const collection = "users"

func main() {
	serve.MainAfter(hotel.Port, func(ctx context.Context) ([]serve.Service, error) {
		store, err := hotel.OpenStore(ctx)
		if err != nil {
			return nil, err
		}
		users := map[string]any{}
		for _, u := range hotel.Users() {
			users[u.Username] = u
		}
		if err := store.PutAll(ctx, collection, users); err != nil {
			return nil, err
		}
		check := serve.Unary("CheckUser", func(ctx context.Context, q *pb.Request) (*pb.Result, error) {
			var u hotel.User
			hash := hotel.Hash(q.GetPassword())
			found, err := store.Get(ctx, collection, q.GetUsername(), &u)
			return &pb.Result{Correct: found && u.Password == hash}, err
		})
		return []serve.Service{{Name: "user.User", Methods: []grpc.MethodDesc{check}}}, nil
	})
}
