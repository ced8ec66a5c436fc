"""What a repository has before it is a project: its models, transforms, weights, labels, versions. Nothing is run."""
