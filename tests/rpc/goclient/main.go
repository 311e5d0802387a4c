// goclient runs the checks of a Go gRPC client, which is what a kubelet is, against a server on a unix socket.
//
//	goclient conform SOCKET            the conformance checks; exits 1 when one fails
//	goclient bench SOCKET CALL N C     N calls of Version, List100 or List1000, C at a time
//	goclient serve SOCKET              the same Version and ListContainers in Go, to compare with
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "conform":
		err = conform(os.Args[2])
	case len(os.Args) == 6 && os.Args[1] == "bench":
		calls, _ := strconv.Atoi(os.Args[4])
		parallel, _ := strconv.Atoi(os.Args[5])
		err = bench(os.Args[2], os.Args[3], calls, parallel)
	case len(os.Args) == 3 && os.Args[1] == "serve":
		err = serve(os.Args[2])
	default:
		err = fmt.Errorf("usage: goclient conform SOCKET | bench SOCKET CALL N C | serve SOCKET")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dial(socket string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	options = append(options,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(128<<20), grpc.MaxCallSendMsgSize(128<<20)))
	return grpc.NewClient("unix://"+socket, options...)
}

// The shortest interval grpc-go allows a client.
func withKeepalive() grpc.DialOption {
	return grpc.WithKeepaliveParams(keepalive.ClientParameters{
		Time:                10 * time.Second,
		Timeout:             2 * time.Second,
		PermitWithoutStream: true,
	})
}

func listRequest(count int, plain bool) *runtimeapi.ListContainersRequest {
	filter := &runtimeapi.ContainerFilter{Id: strconv.Itoa(count)}
	if plain {
		filter.PodSandboxId = "plain"
	}
	return &runtimeapi.ListContainersRequest{Filter: filter}
}
