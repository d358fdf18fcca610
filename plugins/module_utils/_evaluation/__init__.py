# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the evaluation does on the managed host: collecting, observing, disturbing. Private to this collection.

The sheet and everything that judges is on the control node, in plugin_utils/_evaluation. What both know is in results.
"""
