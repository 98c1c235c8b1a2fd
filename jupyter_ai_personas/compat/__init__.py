"""Stand-ins for Jupyter AI's packages; see :mod:`jupyter_ai_personas.stand_ins`."""
