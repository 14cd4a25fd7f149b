"""What people and machines watch and steer from outside."""
