"""CloudFormation: StabiliseStack, CreateStack, UpdateStack, UpsertStack and ScaleStack."""
