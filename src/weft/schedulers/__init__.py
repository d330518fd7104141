"""How schedulers speak: text in, facts out; and the processes of this machine."""
