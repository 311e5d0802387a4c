package main

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type server struct {
	runtimeapi.UnimplementedRuntimeServiceServer
}

func serve(socket string) error {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	grpcServer := grpc.NewServer()
	runtimeapi.RegisterRuntimeServiceServer(grpcServer, server{})
	fmt.Println("ready")
	return grpcServer.Serve(listener)
}

func (server) Version(context.Context, *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{Version: "0.1.0", RuntimeName: "test", RuntimeVersion: "1.0", RuntimeApiVersion: "v1"}, nil
}

func (server) ListContainers(_ context.Context, request *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	count, err := strconv.Atoi(request.GetFilter().GetId())
	if err != nil {
		return nil, err
	}
	reply := &runtimeapi.ListContainersResponse{}
	for number := range count {
		reply.Containers = append(reply.Containers, container(number))
	}
	return reply, nil
}

func container(number int) *runtimeapi.Container {
	id := fmt.Sprintf("%064x", number*7919)
	return &runtimeapi.Container{
		Id:           id,
		PodSandboxId: id,
		Metadata:     &runtimeapi.ContainerMetadata{Name: fmt.Sprintf("container-%d", number), Attempt: 1},
		Image:        &runtimeapi.ImageSpec{Image: "example.test/pause:3.10"},
		ImageRef:     "example.test/pause@sha256:" + id,
		State:        runtimeapi.ContainerState_CONTAINER_RUNNING,
		CreatedAt:    1_700_000_000_123_456_789,
		Labels:       pairs("io.kubernetes.label", number, 6),
		Annotations:  pairs("io.kubernetes.container.annotation", number, 8),
		ImageId:      id,
	}
}

func pairs(prefix string, number, count int) map[string]string {
	all := make(map[string]string, count)
	for at := range count {
		all[fmt.Sprintf("%s.%d", prefix, at)] = fmt.Sprintf("value-%d-%d", number, at)
	}
	return all
}
