package gem5bridge

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"microcosm/gem5bridge/bridgepb"
)

// protocolVersion is raised when bridge.proto changes so that an older peer
// would misread it.
const protocolVersion = 1

// service is the name under which go-plugin knows the one service of a plugin.
const service = "simulator"

// handshake tells a plugin that it was started as one.
var handshake = plugin.HandshakeConfig{MagicCookieKey: "MICROCOSM_BRIDGE", MagicCookieValue: service}

// glue is what go-plugin wants of a service: the plugin registers its server,
// the host gets a client.
type glue struct {
	plugin.NetRPCUnsupportedPlugin
	server bridgepb.SimulatorServer // nil on the host
}

func (g *glue) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	bridgepb.RegisterSimulatorServer(s, g.server)
	return nil
}

func (g *glue) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return bridgepb.NewSimulatorClient(conn), nil
}

func versions(server bridgepb.SimulatorServer) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{protocolVersion: {service: &glue{server: server}}}
}
