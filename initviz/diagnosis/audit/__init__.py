"""Audit of a weights file: which initializer drew each tensor, and is it the one that was asked for."""

from initviz.diagnosis.audit.audit import Audit, Examination, audit, examine
from initviz.diagnosis.audit.recipes import RECIPES, AuditRecipe, read_recipe

__all__ = ["RECIPES", "Audit", "AuditRecipe", "Examination", "audit", "examine", "read_recipe"]
