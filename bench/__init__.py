"""What the portal costs, measured beside the least that the same pages could cost on the same machine in the same run.

``python -m bench`` (``make bench``) founds a deployment by the portal's own actions, multiplies its cases by set-based
SQL, serves portal and floor side by side, and prints every figure with its bar. Timings live here, never in tests.
"""
