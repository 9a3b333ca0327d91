package azuresim

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Invoke answers the functions that the program calls.
func (a *azureProvider) Invoke(_ context.Context, q *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	args, err := plainProps(q.GetArgs())
	if err != nil {
		return nil, err
	}
	group := fmt.Sprintf("/subscriptions/%s/resourceGroups/%v/providers/", a.subscription(), args["resourceGroupName"])
	var result Props
	switch module, function, _ := strings.Cut(strings.TrimPrefix(q.GetTok(), "azure-native:"), ":"); {
	case module == "containerservice" && function == "listManagedClusterUserCredentials":
		result, err = a.credentials(group + fmt.Sprintf("Microsoft.ContainerService/managedClusters/%v", args["resourceName"]))
	case strings.HasPrefix(module, "network/") && function == "getProfile":
		result, err = a.profile(group + fmt.Sprintf("Microsoft.Network/trafficManagerProfiles/%v", args["profileName"]))
	case module == "managedidentity" && function == "getUserAssignedIdentity":
		result, err = a.outputs("managedidentity:UserAssignedIdentity", group+fmt.Sprintf("Microsoft.ManagedIdentity/userAssignedIdentities/%v", args["resourceName"]))
	default:
		return nil, status.Errorf(codes.Unimplemented, "the stand-in cloud does not answer %s", q.GetTok())
	}
	if err != nil {
		return nil, err
	}
	answered, err := marshal(result)
	return &pulumirpc.InvokeResponse{Return: answered}, err
}

// found reads a resource that a function is asked about.
func (a *azureProvider) found(kind, id string) (*Resource, error) {
	r, err := a.cloud.read(kind, id)
	if err != nil {
		return nil, answer(err)
	}
	if r == nil {
		return nil, status.Error(codes.NotFound, refuse(404, "ResourceNotFound", "%s does not exist", id).Error())
	}
	return r, nil
}

func (a *azureProvider) outputs(kind, id string) (Props, error) {
	r, err := a.found(kind, id)
	if err != nil {
		return nil, err
	}
	return r.Outputs, nil
}

func (a *azureProvider) credentials(id string) (Props, error) {
	r, err := a.found("containerservice:ManagedCluster", id)
	if err != nil {
		return nil, err
	}
	config := base64.StdEncoding.EncodeToString([]byte(kubeconfig(r)))
	return Props{"kubeconfigs": []any{Props{"name": "clusterUser", "value": config}}}, nil
}

// profile answers with the profile's endpoints, whichever stack made them.
func (a *azureProvider) profile(id string) (Props, error) {
	if _, err := a.found("network:Profile", id); err != nil {
		return nil, err
	}
	endpoints := []any{}
	for _, r := range a.cloud.Resources() {
		if r.Type != "network:Endpoint" || !strings.HasPrefix(r.ID, id+"/") {
			continue
		}
		endpoints = append(endpoints, Props{"id": r.ID, "name": r.Inputs["endpointName"], "priority": r.Inputs["priority"],
			"target": r.Inputs["target"], "endpointStatus": r.Inputs["endpointStatus"]})
	}
	return Props{"id": id, "endpoints": endpoints}, nil
}
